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


def guess(**sections: Any) -> dict[str, Any]:
    """The spec of a model of :data:`FLIGHTS`, by the contracts' own toy code.

    :param sections: of the spec, ``training`` and ``gates`` among them
    """
    return {
        "name": "guess",
        "description": "a guess",
        "owner": "tests",
        "dataset": "world",
        "module": "airloop.testing.toy",
        "task": "classification",
        "target": {"column": "late"},
        "inputs": ["far", "wet"],
        **sections,
    }


#: Gates that judge little data, and no slices.
FEW_ROWS = {
    "primary": "roc_auc",
    "absolute": {"roc_auc": {"min": 0.5}},
    "slices": "none",
    "min_holdout_rows": 100,
    "baseline_margin": 0.0,
}
