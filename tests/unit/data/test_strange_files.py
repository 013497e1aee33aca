"""What people complain of elsewhere: each comes in as it stands, or is refused in one sentence that says what to do."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pytest

from airloop.data.sources.conform import conform
from airloop.data.sources.reading import read_frame
from airloop.errors import DataError
from tests.unit.data.specimens import DAY, spec

HEAD: Final = b"id,day,v\n"
CSV: Final = HEAD + f"a,{DAY},x\nb,{DAY},y\n".encode()
MORE: Final = f"c,{DAY},z\n".encode()


def workbook() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
    return file.getvalue()


def zstandard(content: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(content))


PACKERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard,
}


def rows(folder: Path, content: bytes, suffix: str = "csv", **options: Any) -> list[str]:
    """The column v of a file with this content."""
    (folder / f"{DAY}.{suffix}").write_bytes(content)
    format_ = "jsonl" if suffix == "jsonl" else "csv"
    source = {"kind": "file", "format": format_, "path": str(folder / f"{{partition}}.{suffix}")}
    return list(read_frame(spec(source={**source, "options": options}), DAY)["v"])


@pytest.mark.parametrize("kind", PACKERS)
def test_packed_streams_one_after_the_other_are_one_file(kind: str, tmp_path: Path) -> None:
    pack = PACKERS[kind]
    assert rows(tmp_path, pack(CSV) + pack(MORE), f"csv.{kind}") == ["x", "y", "z"]


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize(
    "spoil",
    [
        lambda packed: packed[:-3],
        lambda packed: packed + b"junk",
        lambda packed: packed + b"\x01" + packed[1:],
        lambda packed: (
            packed[: len(packed) // 2]
            + bytes([packed[len(packed) // 2] ^ 255])
            + packed[len(packed) // 2 + 1 :]
        ),
        lambda _: CSV,
    ],
    ids=["cut", "junk behind it", "a second stream without its head", "a flipped byte", "plain"],
)
def test_a_packed_file_is_read_to_its_last_byte_or_refused(
    kind: str, spoil: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    with pytest.raises(DataError):
        rows(tmp_path, spoil(PACKERS[kind](CSV)), f"csv.{kind}")


def test_a_packed_file_of_many_blocks_is_whole(tmp_path: Path) -> None:
    lines = "".join(f"i{number},{DAY},{number * 7919}\n" for number in range(40_000)).encode()
    for kind in ("bz2", "xz"):
        found = rows(tmp_path, PACKERS[kind](HEAD + lines), f"csv.{kind}")
        assert found == [str(number * 7919) for number in range(40_000)]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (workbook(), "a zip archive, as a workbook of Excel is"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "a workbook of an older Excel"),
        *[(pack(CSV), "packed by ") for pack in PACKERS.values()],
        (b"PAR1abc", "Parquet"),
        ("id,day\n".encode("utf-16"), "a byte order mark"),
        ("id,day\n".encode("utf-16-le"), "a NUL byte"),
        (HEAD + f"a,{DAY},é\n".encode("latin-1"), "write it as UTF-8"),
        (b"id,day,v,v\n", "the header names 1 columns twice"),
        (HEAD + f"a,{DAY},x,\n".encode(), "Expected 3 columns, got 4"),
        (b"# made by hand\n" + CSV, "Expected 1 columns, got 3"),
    ],
    # Packed bytes hold the moment of their packing: as a name they would differ from one process to the next.
    ids=lambda one: one if isinstance(one, str) else f"{len(one)} bytes",
)
def test_a_file_that_is_no_such_text_is_told_as_what_it_is(
    content: bytes, told: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=told):
        rows(tmp_path, content)


LETTER: Final = "Dear Sir, at last\nI write, again\nYours, me"


@pytest.mark.parametrize("end", ["\n", ""])
def test_a_quoted_letter_of_three_lines_with_as_many_commas_as_a_row_is_one_cell(
    end: str, tmp_path: Path
) -> None:
    content = f'id,v\n1,x\n2,"{LETTER}"{end}'.encode()
    assert rows(tmp_path, content) == ["x", LETTER]


@pytest.mark.parametrize("end", ["\n", ""])
def test_a_quote_left_open_over_lines_that_look_like_rows_is_refused(
    end: str, tmp_path: Path
) -> None:
    content = f'id,v\n1,x\n2,"a\n3,b\n4,c"{end}'.encode()
    with pytest.raises(DataError, match="opened in line 3 makes one row of 3 lines") as error:
        rows(tmp_path, content)
    assert "source.options.quoted_lines: any" in str(error.value)
    assert rows(tmp_path, content, quoted_lines="any") == ["x", "a\n3,b\n4,c"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("id,day,v", "the line is no JSON: Expecting value"),
        ('[{"v": 1}]', "the line is no object"),
        ("{", "the line is no JSON"),
        ('{"v": 1, "v": 2}', "it names v twice"),
        ('{"v": 1}{"v": 2}', "Extra data"),
        ('{"v": NaN}', "NaN is no number of JSON"),
        ('{"v": ' + "[" * 100_000, "the line is no JSON: maximum recursion"),
        ('{"v": "a', "Invalid control character"),
        ("", "the line is no JSON"),
    ],
)
def test_a_line_that_is_no_object_of_json_is_refused_with_its_number(
    line: str, told: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=told) as error:
        rows(tmp_path, f'{{"v": 0}}\n{line}\n{{"v": 3}}\n'.encode(), "jsonl")
    assert f"{DAY}.jsonl, line 2" in str(error.value)


def test_an_empty_file_of_json_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the partition is empty"):
        rows(tmp_path, b"", "jsonl")


#: What no type takes, unless a format is declared.
NEVER: Final = {
    "float": "1,000|1.000,5|1_000|１２|٣|50%|$5|5 €|1 000|1\xa0000|--5|0b1|0o7|1f|0x1p3|None|N/A|\\N|'5|2³",
    "integer": "1,000|1_000|１２|inf|1e2|1.|.5|5e-1|--5|0b1|50%|1 000|9223372036854775808|1.0e0|2³",
    "boolean": "T|t|yes|Y|on|-1|01|1e0|１|да",
    "date": "2013-W01-1|2013-001|2013-1-5|05/01/2013|2013/01/05|2013-02-29|1357380000|41279|２０１３-01-05|"
    "10000-01-01|2013-13-01|2013-01-05T24:00:00|NaT|2013-01-05T10:00:00+01:00",
    "timestamp": "2013-W01-1|2013-001|2013-01-05T24:00:00|2013-01-05 23:59:60|2013-01-05T10:00:00 CET|"
    "2013-01-05T10:00:00 EST|2013-01-05T10:00:00+25:00|2013-01-05T10:00:00+14:60|1357380000|"
    "2013-01-05T10:00:00[Europe/Berlin]|Sat Jan 5 2013|2013-01-05T|+2013-01-05|2013-01-05T10:60",
    "time": "10:00 AM|10:00Z|10|1000|10:00:00.1234567|-01:00|２２:00",
}


@pytest.mark.parametrize(
    ("kind", "text"),
    [(kind, text) for kind, texts in NEVER.items() for text in texts.split("|")],
)
def test_a_text_that_could_mean_something_else_is_refused(kind: str, text: str) -> None:
    columns = {**spec().model_dump(mode="json")["columns"], "v": {"type": kind}}
    [wrong] = conform(spec(columns=columns), pa.table({"v": [text]}))[1]
    assert (wrong.column, wrong.value, wrong.row) == ("v", text, 0)
