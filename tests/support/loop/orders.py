"""The specs of a shop's orders and of a model over them, for any cadence."""

from __future__ import annotations

from typing import Any

from airloop.partition import Cadence
from tests.support.loop import cadences

#: The training's window and its holdout.
SPANS: dict[Cadence, tuple[Any, Any]] = {
    Cadence.HOUR: ("60h", "24h"),
    Cadence.DAY: (12, "3d"),
    Cadence.WEEK: ("12w", 3),
    Cadence.MONTH: (12, 3),
}


def dataset(cadence: Cadence) -> dict[str, Any]:
    """The spec of the dataset ``orders``."""
    kind = "date" if cadence is Cadence.DAY else "timestamp"
    timed = {"ordered_at": {"type": kind, "nullable": False}} if cadence.timed else {}
    return {
        "name": "orders",
        "description": "orders of a shop",
        "owner": "tests",
        "source": {"kind": "python", "function": "tests.support.loop.cadences:rows"},
        "cadence": cadence.value,
        **({"partition_column": "ordered_at"} if cadence.timed else {}),
        "timezone": cadences.ZONE,
        "start": "2013-01-01",
        # A name that Airloop itself once used, and customers who come again in each partition.
        "keys": ["day"],
        "columns": {
            "day": {"type": "string", "nullable": False},
            "distance": {"type": "float"},
            "rain": {"type": "float"},
            "minutes_late": {"type": "float", "known": "after"},
            **timed,
        },
        "expectations": [
            {"expect": "expect_table_row_count_to_be_between", "with": {"min_value": 1}}
        ],
    }


def model(cadence: Cadence) -> dict[str, Any]:
    """The spec of the model ``lateness``."""
    window, holdout = SPANS.get(cadence, (None, None))
    spans = {"window": window, "holdout": holdout} if cadence.timed else {"split": {"by": "label"}}
    return {
        "name": "lateness",
        "description": "late or not",
        "owner": "tests",
        "dataset": "orders",
        "module": "tests.support.loop.cadences",
        "task": "classification",
        "target": {"column": "minutes_late", "delay": 1 if cadence.timed else 0},
        "inputs": ["distance", "rain", *(["ordered_at"] if cadence.timed else [])],
        "training": {"min_rows": 100, "seed": 1, **spans},
        "gates": {
            "primary": "roc_auc",
            "absolute": {"roc_auc": {"min": 0.6}},
            "slices": "none",
            "min_holdout_rows": 200,
            "resamples": 100,
        },
        "serving": {"event_time": "ordered_at"} if cadence.timed else {},
        "monitoring": {"min_rows": 100, "window": 1},
    }
