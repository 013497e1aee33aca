"""Whether a dataset's spec of today goes on with what the lake holds."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from airloop.contracts import Fence
from airloop.data.cadence import check_cadence, check_keys
from airloop.data.lake.lake import Lake
from airloop.errors import SpecError
from airloop.partition import Cadence
from airloop.settings import Settings
from airloop.specs.dataset import DatasetSpec

HOUR = "2026-03-01T0500Z"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(Settings(lake_uri=str(tmp_path / "lake")))


def orders(cadence: str, key: str = "integer") -> DatasetSpec:
    timed = cadence != "snapshot"
    return DatasetSpec.model_validate(
        {
            "name": "orders",
            "description": "Orders.",
            "owner": "shop",
            "start": "2026-01-01",
            "source": {"kind": "file", "path": "/nowhere/{partition}.csv", "format": "csv"},
            "cadence": cadence,
            "partition_column": "at" if timed else None,
            "keys": ["order"],
            "columns": {
                "order": {"type": key, "nullable": False},
                "at": {"type": "timestamp", "nullable": False},
            },
            "expectations": [
                {"expect": "expect_table_row_count_to_be_between", "with": {"min_value": 1}}
            ],
        }
    )


def put(lake: Lake, spec: DatasetSpec, key: str, *, told: Cadence | None) -> None:
    fence = Fence(key=f"ingest:orders:{key}", token=1)
    column = spec.key_column
    rows = pa.table({"order": [1, 2], column: [key, key]})
    staged = lake.stage_partition(
        "orders", key, rows, partition_column=column, fence=fence, cadence=told
    )
    lake.commit_partition("orders", staged, fence)


def test_the_cadence_that_the_lake_was_cut_by_goes_on(lake: Lake) -> None:
    spec = orders("hour")
    put(lake, spec, HOUR, told=Cadence.HOUR)
    assert check_cadence(lake, spec) == (HOUR,)


@pytest.mark.parametrize(("before", "after"), [("hour", "snapshot"), ("snapshot", "hour")])
def test_deliveries_on_full_hours_are_told_from_hours(lake: Lake, before: str, after: str) -> None:
    spec = orders(before)
    put(lake, spec, HOUR, told=spec.cadence)
    with pytest.raises(SpecError, match=f"the cadence was changed: .* that are no {after}s"):
        check_cadence(lake, orders(after))


def test_a_table_that_says_nothing_is_judged_by_its_keys(lake: Lake) -> None:
    """As those that an older release made."""
    put(lake, orders("hour"), HOUR, told=None)
    assert check_cadence(lake, orders("snapshot")) == (HOUR,)
    with pytest.raises(SpecError, match="that are no weeks"):
        check_cadence(lake, orders("week"))


def test_a_key_of_whole_numbers_does_not_become_a_float(lake: Lake) -> None:
    spec = orders("hour")
    check_keys(lake, orders("hour", "float"))
    put(lake, spec, HOUR, told=spec.cadence)
    check_keys(lake, spec)
    with pytest.raises(SpecError, match=r"the key order holds whole numbers.*columns.order.type"):
        check_keys(lake, orders("hour", "float"))
