"""Rows of one moment: three instruments see one weather, until one of them measures in another unit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from airloop.monitoring import health, reference
from airloop.monitoring.day import observe
from airloop.monitoring.reference import Reference
from airloop.monitoring.window import Window
from airloop.specs import DatasetSpec, ModelSpec
from tests.support.small_world import small_world
from tests.unit.monitoring.conftest import NUMBERS

DAYS = pd.date_range("2013-01-01", periods=61).strftime("%Y-%m-%d")
NIGHT = DAYS[-1]
Frame = pd.DataFrame


@pytest.fixture(scope="module")
def timed() -> DatasetSpec:
    numbers = {name: {"type": "float"} for name in NUMBERS}
    label = {"type": "float", "known": "after"}
    return small_world(
        {"at": {"type": "timestamp"}, "carrier": {"type": "string"}, **numbers, "y": label}
    )


@pytest.fixture(scope="module")
def days(make_frame: Callable[..., Frame]) -> dict[str, Frame]:
    """Days of twenty hours, twenty-five rows each, and a temperature that goes its way from hour to hour."""

    def day(seed: int, key: str) -> Frame:
        random = np.random.default_rng(seed)
        hours = np.repeat(np.arange(20), 25)
        course = 60 + 10 * np.sin(seed) + np.cumsum(random.normal(0, 2, 20))
        moments = pd.Timestamp(key, tz="UTC") + pd.to_timedelta(hours, unit="h")
        return make_frame(seed, key).assign(at=moments, x2=course[hours] + random.normal(0, 1, 500))

    return {key: day(seed, key) for seed, key in enumerate(DAYS)}


@pytest.fixture(scope="module")
def made(days: dict[str, Frame], model: ModelSpec, timed: DatasetSpec) -> Reference:
    return reference.build(model, timed, pd.concat([days[key] for key in DAYS[:60]]))


def said(night: Frame, made: Reference, model: ModelSpec, timed: DatasetSpec) -> str:
    window = Window(NIGHT, {NIGHT: observe(made, night, timed.keys)})
    return "; ".join(map(str, health.check(made, window, model.monitoring)))


def test_one_carriers_thermometer_in_another_unit_is_news(
    days: dict[str, Frame], made: Reference, model: ModelSpec, timed: DatasetSpec
) -> None:
    frame = days[NIGHT]
    few = (frame["carrier"] == "AA") & (frame.index % 5 == 0)
    night = frame.assign(x2=frame["x2"].mask(few, (frame["x2"] - 32) / 1.8))
    assert "rows of one moment differ as never before" in said(night, made, model, timed)


def test_control_the_same_night_is_sound(
    days: dict[str, Frame], made: Reference, model: ModelSpec, timed: DatasetSpec
) -> None:
    assert said(days[NIGHT], made, model, timed) == ""


def test_times_that_are_all_missing_are_told(
    days: dict[str, Frame], made: Reference, model: ModelSpec, timed: DatasetSpec
) -> None:
    gone = days[NIGHT].assign(at=pd.Series(pd.NaT, index=days[NIGHT].index, dtype="datetime64[ns, UTC]"))  # fmt: skip
    assert "values missing as never before (missing 100.0%" in said(gone, made, model, timed)
