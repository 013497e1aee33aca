"""Frames for the drift check: sixteen numbers, four categories, and twenty planted cases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

CASE_ROWS = 5_000
NUMBERS = [f"x{index}" for index in range(16)]
CATEGORIES = [f"c{index}" for index in range(4)]

Frame = pd.DataFrame


def world(seed: int, rows: int) -> Frame:
    """Sixteen numbers of four shapes and four categories."""
    random = np.random.default_rng(seed)
    shapes = (random.normal, random.exponential, random.random, random.standard_gamma)
    numbers = {
        name: shapes[index % 4](2.0, size=rows) if index % 4 == 3 else shapes[index % 4](size=rows)
        for index, name in enumerate(NUMBERS)
    }
    categories = {
        name: random.choice([f"k{number}" for number in range(5 * (index + 1))], rows)
        for index, name in enumerate(CATEGORIES)
    }
    return pd.DataFrame({**numbers, **categories})


def _more_of_one(values: pd.Series) -> pd.Series:
    random = np.random.default_rng(0)
    return values.mask(random.random(len(values)) < 0.4, "k0")


#: What is done to one column of a case: places, spreads and shapes of numbers, shares of categories.
SHIFTS: tuple[tuple[str, Callable[[pd.Series], pd.Series]], ...] = (
    ("x0", lambda values: values + 0.5),
    ("x4", lambda values: values - 1.0),
    ("x8", lambda values: values * 2.0),
    ("x12", lambda values: values.abs()),
    ("x1", lambda values: values * 1.6),
    ("x5", lambda values: values + 0.5),
    ("x2", lambda values: values**2),
    ("x3", lambda values: values * 1.5),
    ("c0", _more_of_one),
    ("c1", _more_of_one),
)
PLANTED = [column for column, _ in SHIFTS] + [None] * 10


def cases() -> list[tuple[Frame, Frame]]:
    """Twenty pairs of frames: the first ten with one column shifted, the others with none."""
    pairs = []
    for index in range(len(PLANTED)):
        before, now = world(100 + index, CASE_ROWS), world(200 + index, CASE_ROWS)
        if index < len(SHIFTS):
            column, shift = SHIFTS[index]
            now[column] = shift(now[column])
        pairs.append((before, now))
    return pairs


def specs() -> tuple[Any, Any]:
    from airloop.specs import DatasetSpec, ModelSpec

    columns = {
        "day": {"type": "date"},
        "y": {"type": "float", "known": "after"},
        **{name: {"type": "float"} for name in NUMBERS},
        **{name: {"type": "string"} for name in CATEGORIES},
    }
    about = {"description": "bench", "owner": "bench"}
    dataset = DatasetSpec.model_validate(
        {
            **about,
            "name": "bench",
            "source": {"kind": "python", "function": "bench.drift_cases:world"},
            "partition_column": "day",
            "start": "2013-01-01",
            "keys": ["x0"],
            "columns": columns,
            "expectations": [
                {"expect": "expect_table_row_count_to_be_between", "with": {"min_value": 1}}
            ],
        }
    )
    model = ModelSpec.model_validate(
        {
            **about,
            "name": "bench",
            "dataset": "bench",
            "module": "bench.drift_cases",
            "task": "regression",
            "target": {"column": "y"},
            "inputs": [*NUMBERS, *CATEGORIES],
            "gates": {"primary": "rmse", "absolute": {"rmse": {"max": 1}}},
        }
    )
    return model, dataset
