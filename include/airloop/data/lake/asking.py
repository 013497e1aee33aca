"""Rows of the lake as a client of the service sends them: keys and inputs, nothing that is known only later."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from airloop.data.lake.lake import Lake
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec


def request_rows(
    lake: Lake, spec: ModelSpec, dataset: DatasetSpec, partition: str, limit: int
) -> list[dict[str, Any]]:
    """The first rows of a partition.

    :raises DataError: if the partition is not in the lake
    """
    columns = tuple(dict.fromkeys((*dataset.keys, *spec.inputs)))
    ref = lake.snapshot(dataset.name, [partition])
    rows: list[dict[str, Any]] = []
    for batch in lake.batches(ref, columns, limit):
        rows += batch.slice(0, limit - len(rows)).to_pylist()
        if len(rows) == limit:
            break
    return [{name: _plain(value) for name, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | datetime) else value
