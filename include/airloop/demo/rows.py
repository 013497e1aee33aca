"""Rows of a day as a client of the service would send them: keys and inputs, typed, nothing known only later."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from airloop.errors import DataError
from airloop.specs.catalog import load_catalog

Row = dict[str, Any]


def partition_rows(model: str, partition: str, limit: int | None = None) -> list[Row]:
    """The rows of one day, read from the dataset's source.

    :raises DataError: if the day is not there or does not fit its spec
    """
    from airloop.data.sources.conform import conform
    from airloop.data.sources.reading import read_partition

    spec, dataset = load_catalog().pair(model)
    columns = list(dict.fromkeys((*dataset.keys, *spec.inputs)))
    rows: list[Row] = []
    for batch in read_partition(dataset, partition):
        table, wrong = conform(dataset, batch)
        missing = [name for name in columns if name not in table.column_names]
        if wrong or missing:
            raise DataError(
                "the day does not fit its spec",
                value=[one.column for one in wrong] + missing,
                where=f"{dataset.name}, {partition}",
            )
        rows += [
            {name: _plain(value) for name, value in row.items()}
            for row in table.select(columns).slice(0, limit).to_pylist()
        ]
        if limit is not None and len(rows) >= limit:
            break
    return rows[:limit]


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | datetime) else value
