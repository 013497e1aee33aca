"""The dataset and the models of ``bench.bounded``: parcels of some days, a file a day."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml
from pyarrow import csv

from bench.row import SEED

DATASET, MODEL, CONTROL = "parcels", "late", "late_in_memory"
FIRST = date(2024, 1, 1)
COURIERS = ("bike", "drone", "truck", "van", "walk")


def days_of(count: int) -> list[str]:
    """The keys of the first so many days."""
    return [str(FIRST + timedelta(days=number)) for number in range(count)]


def write(folder: Path, days: int, per_day: int) -> None:
    """The files, a handful of impossible distances in each, and the specs."""
    (folder / "rows").mkdir(parents=True)
    chance = np.random.default_rng(SEED)
    for number, day in enumerate(days_of(days)):
        csv.write_csv(_rows(chance, day, per_day, number), folder / "rows" / f"{day}.csv")
    for kind, spec in (
        ("datasets", dataset(folder, per_day)),
        ("models", model(days, per_day)),
        ("models", control(days)),
    ):
        path = folder / "config" / kind / f"{spec['name']}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(spec), encoding="utf-8")
    (folder / "config" / "airloop.yaml").write_text("{}\n", encoding="utf-8")


def _rows(chance: np.random.Generator, day: str, rows: int, number: int) -> pa.Table:
    courier = chance.integers(0, len(COURIERS), rows, dtype=np.int8)
    distance, rain = chance.exponential(5, rows), chance.exponential(1 + 0.1 * (number % 3), rows)
    load, hour = chance.normal(10, 3, rows), chance.integers(6, 22, rows)
    late = distance - 6 + 2 * rain + 2 * (courier == 4) + 0.3 * load + chance.normal(0, 4, rows)
    distance[: max(1, rows // 10_000)] = -1.5
    return pa.table(
        {
            "id": pa.array(np.arange(rows, dtype=np.int64) + number * rows),
            "day": pa.array([date.fromisoformat(day)] * rows, pa.date32()),
            "courier": pa.DictionaryArray.from_arrays(courier, COURIERS).cast(pa.string()),
            "distance": pa.array(distance.round(3)),
            "rain": pa.array(rain.round(3), mask=chance.random(rows) < 0.05),
            "load": pa.array(load.round(2)),
            "hour": pa.array(hour),
            "minutes_late": pa.array((late - 3).round(2)),
        }
    )


def dataset(folder: Path, per_day: int) -> dict[str, Any]:
    """Eight columns, and what is expected of them."""
    between = "expect_column_values_to_be_between"
    return {
        "name": DATASET,
        "description": "parcels",
        "owner": "bench",
        "source": {"kind": "file", "path": f"{folder}/rows/{{partition}}.csv", "format": "csv"},
        "partition_column": "day",
        "start": str(FIRST),
        "keys": ["id"],
        "keys_unique": "forever",
        "columns": {
            "id": {"type": "integer", "nullable": False},
            "day": {"type": "date", "nullable": False},
            "courier": {"type": "string", "nullable": False},
            "distance": {"type": "float"},
            "rain": {"type": "float"},
            "load": {"type": "float"},
            "hour": {"type": "integer", "nullable": False},
            "minutes_late": {"type": "float", "known": "after"},
        },
        "expectations": [
            {
                "expect": "expect_table_row_count_to_be_between",
                "with": {"min_value": per_day // 2},
            },
            {
                "expect": between,
                "with": {"column": "distance", "min_value": 0, "max_value": 1000},
                "severity": "quarantine",
            },
            {
                "expect": "expect_column_values_to_be_in_set",
                "with": {"column": "courier", "value_set": list(COURIERS)},
                "severity": "quarantine",
            },
        ],
    }


def model(days: int, per_day: int = 1_000_000) -> dict[str, Any]:
    """The network, by rows that stream, of which a batch is a small part of a day's."""
    batch = min(8192, max(1, per_day // 16))
    return {
        "name": MODEL,
        "description": "late or not",
        "owner": "bench",
        "dataset": DATASET,
        "module": "bench.bounded_model",
        "task": "classification",
        "target": {"column": "minutes_late", "reads": []},
        "inputs": ["day", "courier", "distance", "rain", "load", "hour"],
        "training": {
            "trainer": "torch",
            "stream": True,
            "params": {"epochs": 2, "batch_rows": batch, "learning_rate": 0.01, "hidden": [16]},
            "window": f"{days}d",
            "holdout_days": 2,
            "seed": SEED,
        },
        "gates": {
            "primary": "roc_auc",
            "absolute": {"roc_auc": {"min": 0.7}},
            "slices": ["courier"],
        },
        "serving": {"event_time": "day"},
        "monitoring": {"window": f"{days}d", "schedule": None},
        "scoring": {"when": None},
    }


def control(days: int) -> dict[str, Any]:
    """The same by a trainer that holds all rows."""
    training = {"trainer": "sklearn", "build": "build_trees", "window": f"{days}d"}
    training |= {"holdout_days": 2, "seed": SEED, "refit": False}  # type: ignore[dict-item]
    return model(days) | {"name": CONTROL, "training": training}
