"""A model of two values is replayed like any other: nights, trainings and gates know a truth a column."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np

from airloop.partition import Cadence
from airloop.replay import past as pasts
from airloop.replay.policies import chosen, standing
from airloop.replay.replay import Asked, replay
from airloop.settings import Settings
from tests.support.loop import specimens
from tests.support.loop.pairs import VALUES

DAYS = tuple(str(date(2024, 3, 1) + timedelta(days=number)) for number in range(42))


def test_two_values_have_their_nights(tmp_path: Path) -> None:
    model = specimens.model_spec(
        module="tests.support.loop.delivery_pairs",
        task="regression",
        target={"column": None},
        outputs={"values": VALUES},
        inputs=["day", "courier", "distance", "rain"],
        training={"params": {}, "window_days": 12, "holdout_days": 4},
        gates={"primary": "relative_rmse", "absolute": {"relative_rmse": {"max": 1}}},
        retraining={"cooldown_days": 3},
    )
    rows = specimens.rows(80, DAYS)
    one = pasts.of(model, specimens.dataset_spec(), rows.fillna({"rain": 0.0}))
    day = one.rows(0)
    assert one.truth.shape == (42 * 80, 2)
    assert list(one.as_truth(day, one.known(day))) == ["late", "cost"]
    policies = chosen(standing(model.retraining, Cadence.DAY, 42), ("never", "performance alone"))
    asked = Asked(Settings(), model, one.dataset, tmp_path)
    scores = {one.policy.name: one for one in replay(asked, one, policies, cores=1, tell=_silent)}
    found = scores["never"].primary
    assert np.isfinite(found).all()
    assert 0.3 < found.mean() < 1.1


def _silent(done: int, total: int, what: str) -> None:
    assert 0 < done <= total, what
