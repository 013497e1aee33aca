"""A dataset of a few columns, a row's id and its day among them: enough of a world for what is judged by days."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airloop.specs import DatasetSpec


def small_world(columns: Mapping[str, Mapping[str, Any]]) -> DatasetSpec:
    """The dataset ``world``.

    :param columns: those beside ``id`` and ``day``
    """
    return DatasetSpec.model_validate(
        {
            "name": "world",
            "description": "a small world",
            "owner": "tests",
            "source": {"kind": "python", "function": "somewhere:rows"},
            "partition_column": "day",
            "start": "2013-01-01",
            "keys": ["id"],
            "columns": {
                "id": {"type": "string", "nullable": False},
                "day": {"type": "date", "nullable": False},
                **columns,
            },
            "expectations": [{"expect": "expect_table_row_count_to_be_between"}],
        }
    )


#: What makes a flight late, and whether it was.
FLIGHTS = {
    "far": {"type": "float"},
    "wet": {"type": "float"},
    "late": {"type": "float", "known": "after"},
}
