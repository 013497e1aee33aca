"""A small dataset and model for the tests of training, gates and registry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from airloop.contracts import ArtifactRef, Candidate, DatasetRef
from airloop.data.snapshot import split
from airloop.evaluation.case import Case, Champion
from airloop.evaluation.metrics import evaluate
from airloop.registry.loaded import LoadedModel
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec

DAYS = tuple(f"2024-03-0{day}" for day in range(1, 7))
HOLDOUT = DAYS[-2:]
DIGEST = "sha256:" + "0" * 64


def dataset_spec(**changes: Any) -> DatasetSpec:
    columns = {
        "id": {"type": "string", "nullable": False},
        "day": {"type": "date", "nullable": False},
        "courier": {"type": "string", "nullable": False},
        "distance": {"type": "float"},
        "rain": {"type": "float"},
        "parcels": {"type": "integer", "nullable": False},
        "stops": {"type": "integer"},
        "asked_at": {"type": "timestamp"},
        "express": {"type": "boolean"},
        "minutes_late": {"type": "float", "known": "after"},
    }
    fields = {
        "name": "deliveries",
        "description": "d",
        "owner": "o",
        "source": {"kind": "python", "function": "tests.support.loop.model:features"},
        "partition_column": "day",
        "start": "2024-03-01",
        "keys": ["id"],
        "keys_unique": "forever",
        "columns": columns,
        "expectations": [
            {"expect": "expect_table_row_count_to_be_between", "with": {"min_value": 1}}
        ],
    }
    return DatasetSpec.model_validate(fields | changes)


def model_spec(**changes: Any) -> ModelSpec:
    fields: dict[str, Any] = {
        "name": "lateness",
        "description": "d",
        "owner": "o",
        "dataset": "deliveries",
        "module": "tests.support.loop.model",
        "task": "classification",
        "target": {"column": "minutes_late"},
        "inputs": ["day", "courier", "distance", "rain"],
        "training": {
            "params": {"max_iter": 20},
            "window_days": 6,
            "holdout_days": 2,
            "min_rows": 100,
            "seed": 1,
        },
        "gates": {
            "primary": "roc_auc",
            "absolute": {"roc_auc": {"min": 0.6}},
            "slices": ["courier"],
            "min_holdout_rows": 200,
            "min_slice_rows": 50,
            "resamples": 200,
        },
    }
    for name, value in changes.items():
        nested = isinstance(value, dict) and isinstance(fields.get(name), dict)
        fields[name] = {**fields[name], **value} if nested else value
    return ModelSpec.model_validate(fields)


def rows(per_day: int = 400, days: tuple[str, ...] = DAYS, seed: int = 0) -> pd.DataFrame:
    """Deliveries: late when it is far, when it rains, and more so with one courier."""
    random = np.random.default_rng(seed)
    count = per_day * len(days)
    courier = random.choice(["bike", "van", "walk"], count)
    distance, rain = random.exponential(5, count), random.exponential(1, count)
    late = distance - 6 + 2 * rain + 2 * (courier == "walk") + random.normal(0, 4, count)
    return pd.DataFrame(
        {
            "id": [f"d{number}" for number in range(count)],
            "day": pd.to_datetime(np.repeat(days, per_day)),
            "courier": courier,
            "distance": distance,
            "rain": np.where(random.random(count) < 0.05, np.nan, rain),
            "parcels": random.integers(1, 9, count),
            "stops": random.integers(0, 5, count).astype(float),
            "asked_at": pd.Timestamp("2024-03-01T08:00Z"),
            "express": random.random(count) < 0.5,
            "minutes_late": np.where(random.random(count) < 0.02, np.nan, late),
        }
    )


def ref(days: tuple[str, ...] = DAYS, count: int = 2400) -> DatasetRef:
    return DatasetRef(
        name="deliveries",
        uri="/lake/deliveries",
        version=1,
        partitions=days,
        rows=count,
        digest=DIGEST,
    )


def fake(scores: Any, model: ModelSpec, trained_on: tuple[str, ...] = ()) -> LoadedModel:
    """A model that answers what it is told to."""
    return LoadedModel(
        spec=model,
        dataset=dataset_spec(),
        digest=DIGEST,
        runtime="onnx",
        features=("courier", "distance", "rain", "weekday"),
        trained_on=trained_on,
        scorer=lambda features: np.asarray(scores, dtype=np.float64),
    )


def case(
    scores: Any = None,
    champion: Any = None,
    *,
    model: ModelSpec | None = None,
    frame: pd.DataFrame | None = None,
    seen: tuple[str, ...] = (),
    metrics: dict[str, float] | None = None,
    holdout: tuple[str, ...] = HOLDOUT,
) -> Case:
    """A candidate with these answers on the holdout, against a champion with those."""
    model = model or model_spec()
    parts = split(model, dataset_spec(), rows() if frame is None else frame, holdout)
    truth = parts.holdout.truth.to_numpy(dtype=np.float64)
    answers = quality(truth, 1.0) if scores is None else scores
    recorded = evaluate(model.task, truth, answers) if metrics is None else metrics
    candidate = Candidate(
        model=model.name,
        run_id="run1",
        artifact=ArtifactRef(uri="runs:/run1/model", digest=DIGEST),
        dataset=ref(tuple(sorted({*DAYS[:4], *holdout}))),
        holdout=holdout,
        metrics=recorded,
    )
    rival = None if champion is None else Champion(3, lambda: fake(champion, model, seen))
    return Case(
        model=model,
        dataset=dataset_spec(),
        candidate=candidate,
        split=parts,
        open=lambda: fake(answers, model),
        champion=rival,
    )


def quality(truth: Any, strength: float, seed: int = 0, noise: Any = None) -> Any:
    """Probabilities that know the truth as well as ``strength`` says: 0 nothing, 1 an AUC of about 0.76."""
    random = np.random.default_rng(seed)
    drawn = random.normal(size=len(truth)) if noise is None else noise
    return 1 / (1 + np.exp(-(strength * np.asarray(truth) + drawn - 0.5)))


def holdout_truth() -> Any:
    """The labels of the default case's holdout rows."""
    return case().truth


def write_specs(folder: Path, model: ModelSpec | None = None) -> Path:
    """The two specs as a config folder."""
    import yaml

    for kind, spec in (("datasets", dataset_spec()), ("models", model or model_spec())):
        (folder / kind).mkdir(parents=True)
        fields = spec.model_dump(mode="json", by_alias=True)
        (folder / kind / f"{spec.name}.yaml").write_text(yaml.safe_dump(fields), encoding="utf-8")
    return folder


def as_request(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows as a service builds them: Python objects, None for what is missing."""

    def plain(value: object) -> object:
        if pd.isna(value):
            return None
        if isinstance(value, pd.Timestamp):
            return value.to_pydatetime() if value.tzinfo else value.date()
        return value.item() if isinstance(value, np.generic) else value

    return pd.DataFrame({name: [plain(value) for value in frame[name]] for name in frame.columns})
