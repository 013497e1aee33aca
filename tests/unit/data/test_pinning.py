"""A lake whose log was edited, an old version's as well, is not what a training pinned."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from airloop.contracts import DatasetRef, Fence
from airloop.data.lake.digest import rows_digest
from airloop.data.lake.lake import Lake
from airloop.data.lake.written import written
from airloop.errors import DamagedError
from airloop.settings import Settings

DAYS = ("2013-01-01", "2013-01-02")


def put(lake: Lake, day: str, values: list[float], token: int = 1) -> None:
    table = pa.table({"day": [day] * len(values), "x": values, "y": [-one for one in values]})
    fence = Fence(key=f"ingest:t:{day}", token=token)
    digest = rows_digest(table, without=["day"])
    lake.replace_partition("t", day, table, partition_column="day", fence=fence, digest=digest)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(Settings(lake_uri=str(tmp_path / "lake")))
    for day in DAYS:
        put(lake, day, [1.0, 2.0])
    return lake


@pytest.fixture
def ref(lake: Lake) -> DatasetRef:
    """Pinned by a training; the lake has gone on since."""
    pinned = lake.snapshot("t", DAYS)
    put(lake, DAYS[0], [5.0, 6.0, 7.0], token=2)
    return pinned


def again(lake: Lake) -> Lake:
    """As another process opens it."""
    return Lake(Settings(lake_uri=lake.uri))


def edit(lake: Lake, version: int, old: str, new: str) -> None:
    """Exchange words of an entry of the log."""
    path = Path(lake.table_uri("t")) / "_delta_log" / f"{version:020}.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def forge(lake: Lake, day: str, version: int) -> None:
    """Put other rows in a day's place, named as the log would name them, and the log of that version to suit."""
    [path] = list(Path(lake.table_uri("t")).glob(f"day={day}/*-1-*.parquet"))
    file = written(pa.table({"x": [99.0, 98.0], "y": [0.0, 0.0]}))
    rows, token, _ = path.stem.split("-")
    forged = path.with_name(f"{rows}-{token}-{file.sha256}.parquet")
    file.file.seek(0)
    forged.write_bytes(file.file.read())
    size = path.stat().st_size
    edit(lake, version, path.name, forged.name)
    edit(lake, version, f'"size":{size}', f'"size":{file.size}')


def test_a_forged_older_file_is_not_what_was_pinned_though_its_log_was_edited_too(
    lake: Lake, ref: DatasetRef
) -> None:
    forge(lake, DAYS[0], version=1)
    for reading in (again(lake).read, again(lake).verify, lambda one: list(lake.batches(one))):
        with pytest.raises(DamagedError, match="lists other files") as caught:
            reading(ref)
    assert f"{ref.uri}" in str(caught.value)
    assert "restore the table and its log from a backup" in str(caught.value)


def test_control_a_reference_of_before_believes_the_log(lake: Lake, ref: DatasetRef) -> None:
    """It is read as ever, and so is what was forged."""
    before = ref.model_dump(mode="json", exclude={"integrity"})
    of_before = DatasetRef.model_validate(before)
    assert of_before.integrity is None
    assert again(lake).read(of_before)["x"].tolist() == [1.0, 2.0, 1.0, 2.0]
    forge(lake, DAYS[0], version=1)
    assert 99.0 in again(lake).read(of_before)["x"].tolist()


def test_what_the_log_says_that_columns_were_called_is_pinned_too(
    lake: Lake, ref: DatasetRef
) -> None:
    entry = Path(lake.table_uri("t")) / "_delta_log" / f"{0:020}.json"
    lines = [json.loads(line) for line in entry.read_text().splitlines()]
    [told] = [line["metaData"] for line in lines if "metaData" in line]
    schema = json.loads(told["schemaString"])
    x, y = (one for one in schema["fields"] if one["name"] in ("x", "y"))
    x["name"], y["name"] = "y", "x"
    told["schemaString"] = json.dumps(schema)
    entry.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    with pytest.raises(DamagedError, match="lists other files"):
        again(lake).read(ref)


def test_a_statistic_in_the_log_hides_no_value(lake: Lake, ref: DatasetRef) -> None:
    said = '"stats":"{\\"numRecords\\": 2}"'
    edit(lake, 1, said, '"stats":"{\\"numRecords\\": 2, \\"nullCount\\": {\\"x\\": 2}}"')
    assert again(lake).read(ref)["x"].tolist() == [1.0, 2.0, 1.0, 2.0]


def test_a_reference_tells_the_scheme_and_is_the_same_wherever_it_is_taken(
    lake: Lake, ref: DatasetRef
) -> None:
    assert ref.integrity is not None
    assert ref.integrity.startswith("files-sha256:")
    opened = lake.opened("t")
    assert opened is not None
    opened.create_checkpoint()
    other = again(lake).snapshot("t", DAYS)
    assert other == lake.snapshot("t", DAYS)
    assert other.integrity != ref.integrity
    again(lake).verify(ref)
    assert DatasetRef.model_validate_json(ref.model_dump_json()) == ref
