"""A dataset and its model whose columns have the names that people give them: no identifier among them."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pandas as pd

#: What libraries stumble over: SQL's and Python's words, blanks, dots, quotes, placeholders, markup, other scripts.
HOSTILE = (
    *("select", "a b", "a.b", "naïve Größe", "日付", "x'y", 'x"y', "class", "1st", "%s", "a,b", "{x}", "<b>"),
)  # fmt: skip
KEY, DAY, TARGET = 'x"y', "日付", "a;b = c/d"
NUMBERS = ("select", "a b", "naïve Größe", "x'y", "1st", "a,b", "<b>")
TEXTS = ("a.b", "%s")
INPUTS = (*NUMBERS, *TEXTS, "class", "{x}", DAY)
ROWS = 120


def rows(day: str) -> pd.DataFrame:
    """The rows of a day, drawn anew from its date alone."""
    random = np.random.default_rng(zlib.crc32(day.encode()))
    frame = pd.DataFrame({name: random.normal(0, 1, ROWS) for name in NUMBERS})
    frame["x'y"] = random.integers(0, 9, ROWS)
    frame.loc[random.random(ROWS) < 0.1, "<b>"] = np.nan
    frame["a.b"] = random.choice(["north", "south"], ROWS)
    frame["%s"] = random.choice(["%d", "{y}", "ü"], ROWS)
    frame["class"] = random.random(ROWS) < 0.5
    frame["{x}"] = pd.Timestamp(day, tz="UTC") + pd.to_timedelta(
        random.integers(0, 86_400, ROWS), "s"
    )
    frame[DAY], frame[KEY] = day, [f"{day}:{number}" for number in range(ROWS)]
    score = frame["select"] - frame["a b"] + (frame["a.b"] == "north") + random.normal(0, 1, ROWS)
    return frame.assign(**{TARGET: score > 0})


def dataset(source: dict[str, Any]) -> dict[str, Any]:
    """The dataset's spec, of rows from this source."""
    kinds = {
        **{name: {"type": "float"} for name in NUMBERS},
        **{name: {"type": "string", "nullable": False} for name in TEXTS},
        "x'y": {"type": "integer", "nullable": False},
        "class": {"type": "boolean", "nullable": False},
        "{x}": {"type": "timestamp", "nullable": False},
        DAY: {"type": "date", "nullable": False},
        KEY: {"type": "string", "nullable": False},
        TARGET: {"type": "boolean", "known": "after"},
    }
    checks = [
        {"expect": "expect_column_values_to_be_between", "with": {"column": "x'y", "max_value": 8}},
        {"expect": "expect_column_values_to_be_in_set", "severity": "quarantine", "with": {"column": "a.b", "value_set": ["north", "south"]}},
        {"expect": "expect_column_values_to_match_regex", "severity": "warn", "with": {"column": "%s", "regex": ".+"}},
        {"expect": "expect_column_pair_values_to_be_equal", "severity": "warn", "with": {"column_A": "a,b", "column_B": "<b>"}},
    ]  # fmt: skip
    return {
        "name": "things",
        "description": "things",
        "owner": "tests",
        "source": source,
        "partition_column": DAY,
        "start": "2013-01-01",
        "keys": [KEY],
        "columns": kinds,
        "expectations": checks,
    }


def model(name: str, **training: Any) -> dict[str, Any]:
    """A model's spec."""
    return {
        "name": name,
        "description": "a guess",
        "owner": "tests",
        "dataset": "things",
        "module": "tests.support.loop.free_names",
        "task": "classification",
        "target": {"column": TARGET},
        "inputs": list(INPUTS),
        "training": {"window_days": 8, "holdout_days": 3, "min_rows": 100, "seed": 1, **training},
        "gates": {
            "primary": "roc_auc",
            "absolute": {"roc_auc": {"min": 0.6}},
            "slices": ["a.b", "%s", "class"],
            "min_slice_rows": 40,
            "min_holdout_rows": 100,
            "resamples": 100,
            # Few held-out days, and names are what is tried here.
            "confidence": 0.8,
        },
        "serving": {"event_time": DAY},
        "monitoring": {"min_rows": 100, "window": 2},
    }


def features(frame: pd.DataFrame) -> pd.DataFrame:
    named = frame.drop(columns=[DAY, "{x}"]).fillna({"<b>": 0.0, "new": 0.0, "1st": 0.0})
    named["self"] = frame["{x}"].dt.hour.astype(float)
    return named


def build(params: dict[str, Any]) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    split = ColumnTransformer([("codes", codes, list(TEXTS))], remainder="passthrough")
    return make_pipeline(split, LogisticRegression(**params))


def network(params: dict[str, Any]) -> Any:
    from airloop.registry.formats.torch.network import perceptron

    return perceptron(**params)
