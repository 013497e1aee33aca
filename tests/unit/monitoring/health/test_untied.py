"""Values that come together as they never did, and values that are missing where rows alike have one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from airloop.monitoring import health, reference
from airloop.monitoring.day import observe
from airloop.monitoring.profiles.absences import companions
from airloop.monitoring.profiles.ties import ties
from airloop.monitoring.reference import Reference
from airloop.monitoring.window import Window
from airloop.specs import DatasetSpec, ModelSpec

Make = Callable[..., pd.DataFrame]
NIGHT = "2013-03-02"
#: Each of thirty carriers flies one distance of its own, and one that it has in common with the next.
CARRIERS = [f"K{number:02d}" for number in range(30)]


def tied(seed: int, day: str) -> pd.DataFrame:
    """Routes, and an instrument that at times fails for some of them all day."""
    random = np.random.default_rng(seed)
    at, other = random.integers(0, 30, 500), random.integers(0, 2, 500)
    numbers = {f"x{index}": random.normal(size=500) for index in range(6)}
    failed = random.random(30) < random.choice([0.0, 0.4])
    return pd.DataFrame(
        {
            "id": [f"{day}-{index}" for index in range(500)],
            "day": pd.Timestamp(day),
            "carrier": np.array(CARRIERS)[at],
            **numbers,
            "x1": 100.0 * (at + other),
            "x2": np.where(failed[at], np.nan, numbers["x2"]),
            "y": (numbers["x0"] > 0.5).astype(float),
        }
    )


@pytest.fixture(scope="module")
def made(model: ModelSpec, dataset: DatasetSpec) -> Reference:
    days = pd.date_range("2013-01-01", periods=60).strftime("%Y-%m-%d")
    return reference.build(
        model, dataset, pd.concat([tied(at, key) for at, key in enumerate(days)])
    )


def found(
    made: Reference, model: ModelSpec, dataset: DatasetSpec, frame: pd.DataFrame
) -> list[str]:
    window = Window(NIGHT, {NIGHT: observe(made, frame, dataset.keys)})
    return list(map(str, health.check(made, window, model.monitoring)))


def test_ties_and_companions_are_found_in_the_reference(made: Reference) -> None:
    assert made.health is not None
    assert [one.key for one in made.health.layout.ties] == [("carrier", "~ x1")]
    assert made.health.layout.companions == {"x2": ("carrier",)}


def test_quiet_nights_are_sound(made: Reference, model: ModelSpec, dataset: DatasetSpec) -> None:
    for seed in range(100, 120):
        assert found(made, model, dataset, tied(seed, NIGHT)) == []


def test_a_small_category_counted_as_another_has_the_others_values(
    made: Reference, model: ModelSpec, dataset: DatasetSpec
) -> None:
    frame = tied(100, NIGHT)
    # One category in thirty: too few rows for any share to move beyond the days' own.
    frame["carrier"] = frame["carrier"].mask(frame["carrier"] == "K03", "K20")
    [said] = found(made, model, dataset, frame)
    assert said.startswith("carrier and x1 come together as never before, in ")


def test_values_missing_here_and_there_are_seen_where_whole_routes_were_missing_before(
    made: Reference, model: ModelSpec, dataset: DatasetSpec
) -> None:
    frame = tied(101, NIGHT)
    whole = found(made, model, dataset, frame)
    assert whole == []
    some = np.random.default_rng(0).random(500) < 0.3
    [said] = found(made, model, dataset, frame.assign(x2=frame["x2"].mask(some)))
    assert said.startswith("values missing where rows alike have one (scattered ")
    assert said.endswith(": x2")


def test_columns_that_know_nothing_of_each_other_are_not_tied(make_frame: Make) -> None:
    frame = pd.concat([make_frame(seed, NIGHT) for seed in range(10)], ignore_index=True)
    frame["other"] = np.random.default_rng(1).choice(list("abcdefgh"), len(frame))
    assert list(ties(frame, ["carrier", "other"], [])) == []
    gone = frame.assign(x2=frame["x2"].mask(np.random.default_rng(2).random(len(frame)) < 0.3))
    assert companions(gone, gone["day"], ["x2"], ["carrier", "other", "x1"]) == {}


def test_a_reference_with_new_pairs_each_day_follows_none(
    model: ModelSpec, dataset: DatasetSpec
) -> None:
    days = pd.date_range("2013-01-01", periods=60).strftime("%Y-%m-%d")
    frames = [tied(at, key) for at, key in enumerate(days)]
    for at, frame in enumerate(frames):
        new = np.random.default_rng(at).random(500) < 0.2
        frame["x1"] = frame["x1"].mask(new, 100.0 * at)
    made = reference.build(model, dataset, pd.concat(frames))
    assert made.health is not None
    assert ("carrier", "~ x1") not in made.health.keys
