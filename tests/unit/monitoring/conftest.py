"""A small world: six numbers, a carrier and a date; sixty days of it, and nights to judge."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airloop.contracts import DriftReport
from airloop.ledger import Ledger
from airloop.monitoring import reference
from airloop.monitoring.day import observe
from airloop.monitoring.reference import Reference
from airloop.monitoring.window import Window
from airloop.specs import DatasetSpec, ModelSpec
from airloop.vocabulary import Triage
from tests.support.small_world import small_world

NUMBERS = [f"x{index}" for index in range(6)]
INPUTS = ["day", "carrier", *NUMBERS]
NIGHT = "2013-03-02"
MakeFrame = Callable[..., pd.DataFrame]


@pytest.fixture(scope="session")
def dataset() -> DatasetSpec:
    numbers = {name: {"type": "float"} for name in NUMBERS}
    label = {"type": "float", "known": "after"}
    return small_world({"carrier": {"type": "string"}, **numbers, "y": label})


@pytest.fixture(scope="session")
def model() -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "name": "guess",
            "description": "a guess",
            "owner": "tests",
            "dataset": "world",
            "module": "airloop.contracts",  # no label function: the column is taken as it is
            "task": "classification",
            "target": {"column": "y"},
            "inputs": INPUTS,
            "gates": {"primary": "roc_auc", "absolute": {"roc_auc": {"min": 0.5}}},
        }
    )


@pytest.fixture(scope="session")
def make_frame() -> MakeFrame:
    def make(seed: int, day: str, rows: int = 500, day_effect: float = 0.0) -> pd.DataFrame:
        random = np.random.default_rng(seed)
        shift = day_effect * random.normal(size=len(NUMBERS))
        numbers = {
            name: random.normal(size=rows) + shift[index] for index, name in enumerate(NUMBERS)
        }
        score = numbers["x0"] + random.normal(size=rows)
        return pd.DataFrame(
            {
                "id": [f"{day}-{index}" for index in range(rows)],
                "day": pd.Timestamp(day),
                "carrier": random.choice(["AA", "B6", "DL", "UA"], rows),
                **numbers,
                "y": (score > 0.5).astype(float),
            }
        )

    return make


@pytest.fixture(scope="session")
def make_reference(
    model: ModelSpec, dataset: DatasetSpec, make_frame: MakeFrame
) -> Callable[..., Reference]:
    def make(days: int = 60, **how: float) -> Reference:
        keys = pd.date_range("2013-01-01", periods=days).strftime("%Y-%m-%d")
        frame = pd.concat([make_frame(index, key, **how) for index, key in enumerate(keys)])
        return reference.build(
            model, dataset, frame, frame["x0"], labels=frame["y"], holdout={"roc_auc": 0.8}
        )

    return make


@pytest.fixture(scope="session")
def quiet_reference(make_reference: Callable[..., Reference]) -> Reference:
    return make_reference()


@pytest.fixture
def night_of(dataset: DatasetSpec, quiet_reference: Reference) -> Callable[[pd.DataFrame], Window]:
    def window(frame: pd.DataFrame) -> Window:
        day = observe(quiet_reference, frame, dataset.keys)
        return Window(NIGHT, {NIGHT: day})

    return window


@pytest.fixture
def night() -> Callable[..., DriftReport]:
    """A night's report: ``night("2013-07-14", Triage.DRIFT)``."""

    def build(partition: str, triage: Triage = Triage.DRIFT, **more: Any) -> DriftReport:
        return DriftReport(
            model="flight_delay",
            partition=partition,
            reference_rows=1_000,
            current_rows=900,
            triage=triage,
            **{"features": (), "reason": f"temp is {triage}", **more},
        )

    return build


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
