"""A small dataset and a frame that is just as it should be: what tests start from and then spoil."""

from __future__ import annotations

from typing import Any

import pandas as pd

from airloop.specs.dataset import DatasetSpec

DAY = "2013-01-05"


def spec(**changes: Any) -> DatasetSpec:
    """A dataset with one column of each type."""
    data: dict[str, Any] = {
        "name": "orders",
        "description": "orders of a shop",
        "owner": "tests",
        "source": {"kind": "python", "function": "tests.nowhere:orders"},
        "partition_column": "day",
        "start": "2013-01-01",
        "keys": ["id"],
        "columns": {
            "id": {"type": "string", "nullable": False},
            "day": {"type": "date", "nullable": False},
            "at": {"type": "timestamp"},
            "pieces": {"type": "integer"},
            "price": {"type": "float"},
            "paid": {"type": "boolean"},
            "shop": {"type": "string"},
            "note": {"type": "string"},
        },
        "expectations": [
            {
                "expect": "expect_table_row_count_to_be_between",
                "with": {"min_value": 1, "max_value": 1000},
            },
            {"expect": "expect_column_values_to_not_be_null", "with": {"column": "shop"}},
            {
                "expect": "expect_column_values_to_be_between",
                "severity": "quarantine",
                "with": {"column": "price", "min_value": 0},
            },
            {
                "expect": "expect_column_values_to_be_in_set",
                "severity": "warn",
                "with": {"column": "note", "value_set": ["a", "b"]},
            },
        ],
        "max_quarantine_fraction": 0.2,
    }
    return DatasetSpec.model_validate({**data, **changes})


def frame(rows: int = 20) -> pd.DataFrame:
    """Rows with which nothing is wrong."""
    return pd.DataFrame(
        {
            "id": [f"o{number}" for number in range(rows)],
            "day": [pd.Timestamp(DAY)] * rows,
            "at": [pd.Timestamp(f"{DAY}T10:00:00Z")] * rows,
            "pieces": range(rows),
            "price": [1.5] * rows,
            "paid": [True] * rows,
            "shop": ["north"] * rows,
            "note": ["a"] * rows,
        }
    )
