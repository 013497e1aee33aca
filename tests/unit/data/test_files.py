"""Files that are not what they should be: one clear error each, and nothing changed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import zipfile
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from airloop.contracts import Fence
from airloop.data.sources.parquet_files import read_parquet
from airloop.data.sources.reading import read_frame, read_rows
from airloop.data.validation.quality import failures, validate
from airloop.errors import DataError, RequestError, SpecError
from airloop.execution.context import StepContext
from airloop.ledger import open_ledger
from airloop.settings import Settings
from airloop.specs.catalog import Catalog
from airloop.specs.dataset import DatasetSpec
from airloop.steps import ingest
from airloop.vocabulary import Action, Topic
from tests.unit.data.specimens import DAY, frame, spec

HEADER = "id,day,at,pieces,price,paid,shop,note"
ROW = f"o1,{DAY},{DAY}T10:00:00Z,1,1.5,true,north,a"
GOOD = f"{HEADER}\n{ROW}\n".encode()


def of_files(folder: Path, name: str = "{partition}.csv", **options: Any) -> DatasetSpec:
    format_ = "parquet" if name.endswith("parquet") else "csv"
    path = str(folder / name)
    return spec(source={"kind": "file", "path": path, "format": format_, "options": options})


def parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def whole() -> bytes:
    return parquet(pa.Table.from_pandas(frame(), preserve_index=False))


#: What is wrong → the file's name, its bytes, and what the one message must say.
CORPUS: dict[str, tuple[str, bytes, str]] = {
    "no bytes": (f"{DAY}.csv", b"", "the partition is empty"),
    "blank line": (f"{DAY}.csv", b"\n\n", "the partition is empty"),
    "header only": (f"{DAY}.csv", f"{HEADER}\n".encode(), "the batch is empty"),
    "truncated gzip": (f"{DAY}.csv.gz", gzip.compress(GOOD * 50)[:-20], "truncated or damaged"),
    "gzip cut in its header": (f"{DAY}.csv.gz", gzip.compress(GOOD)[:5], "truncated or damaged"),
    "gzip that is none": (f"{DAY}.csv.gz", GOOD, "truncated or damaged"),
    "gzip with a wrong checksum": (
        f"{DAY}.csv.gz",
        gzip.compress(GOOD)[:-8] + b"\0" * 8,
        "truncated or damaged",
    ),
    "one field too many": (f"{DAY}.csv", GOOD + f"{ROW},x\n".encode(), "Expected 8 columns, got 9"),
    "one field too few": (f"{DAY}.csv", GOOD + b"o2,2013-01-05\n", "Expected 8 columns, got 2"),
    "duplicate header": (
        f"{DAY}.csv",
        GOOD.replace(b"shop,note", b"note,note"),
        "names 1 columns twice; got ['note']",
    ),
    "byte order mark": (f"{DAY}.csv", b"\xef\xbb\xbf" + GOOD, "byte order mark"),
    "UTF-16": (f"{DAY}.csv", GOOD.decode().encode("utf-16"), "byte order mark"),
    "NUL": (f"{DAY}.csv", GOOD.replace(b"north", b"no\0th"), "NUL byte"),
    "not UTF-8": (f"{DAY}.csv", GOOD.replace(b"north", b"n\xfcrth"), "UTF8"),
    "binary": (f"{DAY}.csv", bytes(range(1, 256)) * 50, ""),
    "1e400": (f"{DAY}.csv", GOOD.replace(b"1.5", b"1e400"), "'1e400' in row 0 is no float"),
    "infinite": (f"{DAY}.csv", GOOD.replace(b"1.5", b"inf"), "values of price are infinite"),
    "text for a number": (f"{DAY}.csv", GOOD.replace(b"1.5", b"abc"), "'abc' in row 0 is no float"),
    "fraction for an integer": (
        f"{DAY}.csv",
        GOOD.replace(b"Z,1,", b"Z,1.5,"),
        "'1.5' in row 0 is no integer",
    ),
    "an integer too large": (
        f"{DAY}.csv",
        GOOD.replace(b"Z,1,", b"Z,9223372036854775808,"),
        "is no integer",
    ),
    "no such day": (
        f"{DAY}.csv",
        GOOD.replace(b"o1,2013-01-05", b"o1,2013-02-30"),
        "'2013-02-30' in row 0 is no date",
    ),
    "no such moment": (f"{DAY}.csv", GOOD.replace(b"T10:", b"T25:"), "is no timestamp"),
    "mixed timezones": (
        f"{DAY}.csv",
        GOOD + ROW.replace("o1", "o2").replace("Z", "").encode() + b"\n",
        "a mixture: timestamps with an offset and without one",
    ),
    "no truth value": (f"{DAY}.csv", GOOD.replace(b"true", b"maybe"), "is no boolean"),
    "missing column": (
        f"{DAY}.csv",
        GOOD.replace(b",price", b"").replace(b",1.5", b""),
        f"column price missing in partition {DAY}",
    ),
    "unclosed quote": (
        f"{DAY}.csv",
        GOOD + b'o2,"2013-01-05,never closed\n',
        "a quote in line 3 is never closed",
    ),
    "a quote left open over three rows": (
        f"{DAY}.csv",
        GOOD
        + ROW.replace("o1", '"o1').encode()
        + b"\n"
        + GOOD[-len(ROW) - 1 :]
        + f'{ROW}"\n'.encode(),
        "a quote opened in line 3 makes one row of 3 lines that each look like one",
    ),
    "a quote left open until the next quoted cell": (
        f"{DAY}.csv",
        GOOD + ROW.replace("o1", '"o1').encode() + b"\n" + ROW.replace("o1", '"o2"').encode(),
        "a quote stands within a cell in line 4, opened in line 3",
    ),
    "text behind a quoted cell": (
        f"{DAY}.csv",
        GOOD + ROW.replace("north", '"no"rth').encode() + b"\n",
        "a quote stands within a cell in line 3",
    ),
    "a quote within a cell": (
        f"{DAY}.csv",
        GOOD + ROW.replace("north", 'no"rth').encode() + b"\n",
        "a quote stands within a cell in line 3",
    ),
    "header ended by CR, rows by LF": (
        f"{DAY}.csv",
        f"{HEADER}\r{ROW}\n{ROW}\n".encode(),
        "the header is not one line",
    ),
    "lines ended by CR": (f"{DAY}.csv", f"{HEADER}\r{ROW}\r".encode(), "not one line"),
    "cut in its last cell": (f"{DAY}.csv", GOOD[:-1], "the file's last line has no end"),
    "zip of two files": (
        f"{DAY}.csv.zip",
        zipped({"one.csv": GOOD, "two.csv": GOOD}),
        "the archive holds 2 files, and a partition is one; got ['one.csv', 'two.csv']",
    ),
    "zip of nothing": (f"{DAY}.csv.zip", zipped({}), "the archive holds 0 files"),
    "zip that is none": (f"{DAY}.csv.zip", GOOD, "truncated or damaged"),
    "truncated zip": (f"{DAY}.csv.zip", zipped({"a": GOOD * 50})[:-20], "truncated or damaged"),
    "zip with a flipped bit": (
        f"{DAY}.csv.zip",
        zipped({"a": GOOD}).replace(b"north", b"nortj"),
        "truncated or damaged",
    ),
    "xz that is none": (f"{DAY}.csv.xz", GOOD, "truncated or damaged"),
    "truncated xz": (f"{DAY}.csv.xz", lzma.compress(GOOD * 50)[:-20], "truncated or damaged"),
    "xz with flipped bits": (
        f"{DAY}.csv.xz",
        lzma.compress(GOOD)[:40] + b"\0\0" + lzma.compress(GOOD)[42:],
        "truncated or damaged",
    ),
    "truncated bzip2": (f"{DAY}.csv.bz2", bz2.compress(GOOD * 50)[:-20], "truncated or damaged"),
    "parquet larger than allowed": (
        f"{DAY}.parquet",
        parquet(pa.table({"id": [f"{number:040}" for number in range(1000)]})),
        "larger than 20000 bytes",
    ),
    "parquet that unpacks to more than it says": (
        f"{DAY}.parquet",
        parquet(pa.table({"id": pa.array(["x"] * 100_000)})),
        "larger than 20000 bytes",
    ),
    "larger than allowed": (f"{DAY}.csv", GOOD + b"x" * 5000, "larger than 4096 bytes"),
    "bomb": (f"{DAY}.csv.gz", gzip.compress(b"a" * 50_000_000), "larger than 4096 bytes"),
    "parquet that is none": (f"{DAY}.parquet", GOOD, "Parquet magic bytes not found"),
    "no bytes of parquet": (f"{DAY}.parquet", b"", ""),
    "truncated parquet": (f"{DAY}.parquet", whole()[:-100], ""),
    "parquet without rows": (
        f"{DAY}.parquet",
        parquet(pa.Table.from_pandas(frame(), preserve_index=False).slice(0, 0)),
        "the batch is empty",
    ),
    "parquet with a name twice": (
        f"{DAY}.parquet",
        parquet(pa.table([pa.array([1]), pa.array([2])], names=["id", "id"])),
        "names 1 columns twice",
    ),
    "parquet of lists": (
        f"{DAY}.parquet",
        parquet(
            pa.Table.from_pandas(frame(1), preserve_index=False).set_column(
                4, "price", pa.array([[1.0]])
            )
        ),
        "is no float",
    ),
    "nothing there": ("another-day.csv", GOOD, "the partition does not exist"),
}


@pytest.mark.parametrize("case", CORPUS)
def test_a_malformed_file_gives_one_clear_error_and_changes_nothing(
    case: str, tmp_path: Path
) -> None:
    name, content, message = CORPUS[case]
    upstream = tmp_path / "upstream"
    upstream.mkdir()
    (upstream / name).write_bytes(content)
    context = _context(tmp_path, name)
    fence = context.ledger.begin_attempt(f"ingest:orders:{DAY}")
    with pytest.raises(DataError) as error:
        ingest.run(ingest.Request(fence=fence, dataset="orders", partition=DAY), context)
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    assert not (tmp_path / "lake").exists()
    [decision] = context.ledger.decisions(topic=Topic.VALIDATION)
    assert decision.action is Action.REFUSED


def test_the_untouched_file_is_ingested(tmp_path: Path) -> None:
    """The control of the test above: the same way in, and nothing wrong."""
    (tmp_path / "upstream").mkdir()
    (tmp_path / "upstream" / f"{DAY}.csv").write_bytes(GOOD)
    result = ingest.run(
        ingest.Request(fence=Fence(key="k", token=1), dataset="orders", partition=DAY),
        _fenced(_context(tmp_path, f"{DAY}.csv")),
    )
    assert result.dataset.rows == 1


@pytest.mark.parametrize("seed", range(60))
def test_a_mutated_file_is_read_or_refused_but_never_crashes(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    is_csv = seed % 2 == 0
    content = bytearray(GOOD if is_csv else whole())
    for _ in range(chance.randint(1, 8)):
        content[chance.randrange(len(content))] = chance.randrange(256)
    name = f"{DAY}.csv" if is_csv else f"{DAY}.parquet"
    (tmp_path / name).write_bytes(bytes(content[: chance.randint(1, len(content))]))
    its_spec = of_files(tmp_path, "{partition}." + name.rpartition(".")[2])
    with suppress(DataError):
        found = validate(its_spec, DAY, read_frame(its_spec, DAY))
        assert found.ok or failures(found.report)


def test_a_cell_of_a_million_characters_is_only_long(tmp_path: Path) -> None:
    (tmp_path / f"{DAY}.csv").write_bytes(GOOD.replace(b"north", b"n" * 1_000_000))
    read = read_frame(of_files(tmp_path), DAY)
    assert len(read["shop"][0]) == 1_000_000


def test_csv_keeps_what_stands_there(tmp_path: Path) -> None:
    rows = f'"NA",{DAY},{DAY}T10:00:00Z,007, 1.5 ,true,NA,"a, ""b"""\n'
    (tmp_path / f"{DAY}.csv").write_text(f"{HEADER}\n{rows}")
    read = read_frame(of_files(tmp_path), DAY)
    assert read.loc[0, "id"] == "NA"
    assert read.loc[0, "shop"] is None
    assert read.loc[0, "note"] == 'a, "b"'
    assert read.loc[0, "pieces"] == "007"


def test_options_reach_the_reader(tmp_path: Path) -> None:
    text = GOOD.decode().replace(",", ";").replace("north", "?")
    (tmp_path / f"{DAY}.csv").write_text(text)
    read = read_frame(of_files(tmp_path, delimiter=";", null_values=["?"]), DAY)
    assert read.loc[0, "shop"] is None
    assert read.loc[0, "id"] == "o1"


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (10, "one\n\nthree\nfour"),
        (60_000, "one\ntwo, {n}"),
        (20_000, "line one, {n}\r\nline two, {n}\n\nfour"),
        (2_000, "a review\n" * 60),
        (2, "a long review\n" * 400_000),
    ],
)
def test_quoted_text_over_several_lines_is_one_cell_at_any_size(
    rows: int, text: str, tmp_path: Path
) -> None:
    """Smaller than a block of the reader, of many blocks, and in records that are longer than one."""
    cells = [text.format(n=number) for number in range(rows)]
    with (tmp_path / f"{DAY}.csv").open("w", encoding="utf-8", newline="") as file:
        file.write("id,day,note\n")
        file.writelines(
            f'{n},{DAY},"{cell.replace(chr(34), chr(34) * 2)}"\n' for n, cell in enumerate(cells)
        )
    assert read_rows(of_files(tmp_path), DAY).to_pandas()["note"].tolist() == cells


def test_a_last_line_without_an_end_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / f"{DAY}.csv").write_bytes(GOOD[:-1])
    with caplog.at_level("WARNING"):
        assert len(read_rows(of_files(tmp_path), DAY)) == 1
    assert "the file's last line has no end: it may have been cut there" in caplog.text


@pytest.mark.parametrize("suffix", ["zip", "xz", "bz2"])
def test_a_packed_file_is_read_as_its_name_says(suffix: str, tmp_path: Path) -> None:
    pack = {"zip": lambda content: zipped({"a.csv": content}), "xz": lzma.compress}.get(
        suffix, bz2.compress
    )
    (tmp_path / f"{DAY}.csv.{suffix}").write_bytes(pack(GOOD))
    assert list(read_frame(of_files(tmp_path, "{partition}.csv." + suffix), DAY)["id"]) == ["o1"]


@pytest.mark.parametrize("delimiter", ["€", "", ";;", '"', "\n"])
def test_a_delimiter_that_cannot_be_is_told_by_the_spec(delimiter: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="must be one character of ASCII"):
        of_files(tmp_path, delimiter=delimiter)


def test_gzip_and_fsspec_urls_are_read(tmp_path: Path) -> None:
    (tmp_path / f"{DAY}.csv.gz").write_bytes(gzip.compress(GOOD))
    url = f"file://{tmp_path}/{{partition}}.csv.gz"
    from_url = spec(source={"kind": "file", "path": url, "format": "csv"})
    assert list(read_frame(from_url, DAY)["id"]) == ["o1"]


def test_an_unknown_scheme_is_named() -> None:
    wrong = spec(source={"kind": "file", "path": "nowhere://x/{partition}.csv", "format": "csv"})
    with pytest.raises(SpecError, match="scheme is not known"):
        read_frame(wrong, DAY)


def test_parquet_becomes_the_same_frame(tmp_path: Path) -> None:
    (tmp_path / f"{DAY}.parquet").write_bytes(whole())
    its_spec = of_files(tmp_path, "{partition}.parquet")
    read = read_frame(its_spec, DAY)
    assert validate(its_spec, DAY, read).ok
    pd.testing.assert_series_equal(read["price"], frame()["price"])


@pytest.mark.parametrize("key", ["../2013-01-05", "2013-01-05\n", "", "2013-1-5"])
def test_a_key_that_is_none_opens_nothing(key: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="a day is written YYYY-MM-DD"):
        read_frame(of_files(tmp_path), key)


def _context(folder: Path, name: str) -> StepContext:
    settings = Settings(
        lake_uri=str(folder / "lake"),
        reports_uri=str(folder / "reports"),
        ledger_url=f"sqlite:///{folder / 'ledger.db'}",
    )
    suffix = name.partition(".")[2]
    its_spec = of_files(
        folder / "upstream",
        "{partition}." + suffix,
        max_bytes=20_000 if suffix == "parquet" else 4096,
        **({} if suffix == "parquet" else {"final_newline": "require"}),
    )
    return StepContext(settings, _Catalog(its_spec), open_ledger(settings), folder)


def _fenced(context: StepContext) -> StepContext:
    context.ledger.begin_attempt("k")
    return context


class _Catalog(Catalog):
    """A catalog of one dataset."""

    def __init__(self, only: DatasetSpec) -> None:
        self._only = only

    def dataset(self, name: str) -> DatasetSpec:
        return self._only


def _old_moments(tmp_path: Path, table: pa.Table, **options: Any) -> list[pa.Table]:
    path = tmp_path / "old.parquet"
    pq.write_table(table, path, use_deprecated_int96_timestamps=True, **options)
    with path.open("rb") as file:
        return list(read_parquet(file, "here", {}, 1 << 30))


def test_int96_beside_a_dictionary_in_several_row_groups_is_read_whole(tmp_path: Path) -> None:
    """The two readers of such a file end their batches at different rows."""
    rows = 200_000
    moments = pa.array(range(rows), pa.timestamp("s")).cast(pa.timestamp("us"))
    kinds = pa.array(["a", "b"] * (rows // 2)).dictionary_encode()
    table = pa.table({"v": moments, "c": kinds})
    read = pa.concat_tables(_old_moments(tmp_path, table, row_group_size=50_000))
    assert read["v"].cast(pa.timestamp("us")).combine_chunks().equals(moments)


def test_int96_in_a_struct_is_not_the_column_of_its_name(tmp_path: Path) -> None:
    late = pa.array([datetime(9999, 12, 31)], pa.timestamp("us"))
    inner = pa.StructArray.from_arrays([late], ["v"])
    [read] = _old_moments(tmp_path, pa.table({"v": pa.array([1.5]), "s": inner}))
    assert read["v"].to_pylist() == [1.5]
