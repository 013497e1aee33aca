"""Worlds of a hundred days whose right answers are known: one that turns over in the middle, one that never does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from airloop.replay import past as pasts
from airloop.replay.past import Past
from airloop.specs import DatasetSpec, ModelSpec
from tests.support.small_world import FEW_ROWS, FLIGHTS, guess, small_world

DAYS = 100
#: The day on which the world that turns over does so.
TURN = 55
MakePast = Callable[..., Past]


@pytest.fixture(scope="session")
def dataset() -> DatasetSpec:
    return small_world(FLIGHTS)


@pytest.fixture(scope="session")
def model() -> ModelSpec:
    return ModelSpec.model_validate(
        guess(
            training={"window_days": 14, "holdout_days": 5, "min_rows": 100},
            gates=FEW_ROWS,
            retraining={"cooldown_days": 3},
        )
    )


def world(turn: int | None) -> pd.DataFrame:
    """What makes a flight late is its distance; after the turn it is the rain."""
    random = np.random.default_rng(7)
    frames = []
    for number in range(DAYS):
        far, wet = random.normal(size=(2, 80))
        cause = far if turn is None or number < turn else wet
        day = date(2013, 1, 1) + timedelta(days=number)
        frames.append(
            pd.DataFrame(
                {
                    "id": [f"{day}-{index}" for index in range(80)],
                    "day": pd.Timestamp(day),
                    "far": far,
                    "wet": wet,
                    "late": (cause + 0.7 * random.normal(size=80) > 0).astype(float),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="session")
def past(model: ModelSpec, dataset: DatasetSpec) -> MakePast:
    made: dict[int | None, Past] = {}

    def make(turn: int | None = None) -> Past:
        if turn not in made:
            made[turn] = pasts.of(model, dataset, world(turn))
        return made[turn]

    return make
