"""A dataset and a model of a few columns, with rows: what the contracts are tried on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec

DAYS = tuple(f"2024-03-0{day}" for day in range(1, 7))
HOLDOUT = DAYS[-2:]
#: Rows a day.
_A_DAY = 200


def toy_dataset() -> DatasetSpec:
    """Two numbers and a label."""
    return DatasetSpec.model_validate(
        {
            "name": "toy",
            "description": "of the contracts",
            "owner": "tests",
            "source": {"kind": "python", "function": "airloop.testing.toy:rows"},
            "partition_column": "day",
            "start": DAYS[0],
            "keys": ["id"],
            "columns": {
                "id": {"type": "string", "nullable": False},
                "day": {"type": "date", "nullable": False},
                "far": {"type": "float"},
                "wet": {"type": "float"},
                "late": {"type": "float", "known": "after"},
            },
            "expectations": [
                {"expect": "expect_table_row_count_to_be_between", "with": {"min_value": 1}}
            ],
        }
    )


def toy_model(**changes: Any) -> ModelSpec:
    """A classification of it; a key that is a mapping is laid over the default one."""
    fields: dict[str, Any] = {
        "name": "toy_model",
        "description": "of the contracts",
        "owner": "tests",
        "dataset": "toy",
        "module": "airloop.testing.toy",
        "task": "classification",
        "target": {"column": "late"},
        "inputs": ["far", "wet"],
        "training": {"window_days": 6, "holdout_days": 2, "min_rows": 10, "seed": 1},
        "gates": {
            "primary": "brier" if changes.get("task") != "regression" else "rmse",
            "absolute": {"brier": {"max": 0.3}}
            if changes.get("task") != "regression"
            else {"rmse": {"max": 10.0}},
            "slices": "none",
            "min_holdout_rows": 100,
            "resamples": 100,
        },
    }
    for name, value in changes.items():
        nested = isinstance(value, dict) and isinstance(fields.get(name), dict)
        fields[name] = {**fields[name], **value} if nested else value
    return ModelSpec.model_validate(fields)


def toy_rows(task: str = "classification") -> pd.DataFrame:
    """Late when it is far and wet, and by chance."""
    random = np.random.default_rng(7)
    count = _A_DAY * len(DAYS)
    far, wet = random.normal(size=count), random.normal(size=count)
    late = far + wet + random.normal(0, 0.5, count)
    return pd.DataFrame(
        {
            "id": [f"t{number}" for number in range(count)],
            "day": pd.to_datetime(np.repeat(DAYS, _A_DAY)),
            "far": far,
            "wet": wet,
            "late": (late > 0).astype(float) if task == "classification" else late,
        }
    )


def toy_job(task: str, workdir: Path, **training: Any) -> Any:
    """What a trainer is given, on the training days.

    :param training: keys of ``training:``; ``trainer`` among them where the spec must name it
    """
    from airloop.training.trainer import FitJob, FitPlace

    model = toy_model(task=task, training=training)
    rows = toy_rows(task)
    early = rows[~rows["day"].isin(pd.to_datetime(list(HOLDOUT)))].reset_index(drop=True)
    features = early[list(model.inputs)]
    params = dict(model.training.params)
    return FitJob(model, features, early["late"], params, False, FitPlace(workdir))
