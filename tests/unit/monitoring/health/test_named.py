"""Faults that have a shape of their own: a plan moved by an hour, an end cut off, fractions rounded, a column of yesterday's."""

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

Frame = pd.DataFrame
Make = Callable[..., Frame]
DAYS = pd.date_range("2013-01-01", periods=67).strftime("%Y-%m-%d")
NIGHT = DAYS[-1]


@pytest.fixture(scope="module")
def days(make_frame: Make) -> dict[str, Frame]:
    """Days with a plan of minutes, tenths of degrees that differ from day to day, and delays that lean to the right."""

    def day(seed: int, key: str) -> Frame:
        random = np.random.default_rng(1000 + seed)
        rows = 500
        return make_frame(seed, key).assign(
            x1=(np.linspace(360, 1320, rows) + random.integers(0, 9, rows)).round(),
            x2=(random.normal(40 + 10 * np.sin(seed), 3, rows)).round(1),
            y=(random.exponential(30, rows) - 15).round(),
        )

    return {key: day(seed, key) for seed, key in enumerate(DAYS)}


@pytest.fixture(scope="module")
def made(days: dict[str, Frame], model: ModelSpec, dataset: DatasetSpec) -> Reference:
    return reference.build(model, dataset, pd.concat([days[key] for key in DAYS[:60]]))


def filled(frame: Frame, _: dict[str, Frame]) -> Frame:
    return frame.assign(x1=frame["x1"].mask(frame.index % 4 == 0, frame["x1"].mean()))


def cut(frame: Frame, _: dict[str, Frame]) -> Frame:
    return frame.assign(y=frame["y"].clip(upper=frame["y"].quantile(0.8)))


def mixed(frame: Frame, days: dict[str, Frame]) -> Frame:
    yesterday = days[DAYS[-2]].assign(day=frame["day"])
    return pd.concat([frame[::2], yesterday[1::2]], ignore_index=True)


def yesterdays(frame: Frame, days: dict[str, Frame]) -> Frame:
    return frame.assign(x2=days[DAYS[-2]]["x2"])


FAULTS: dict[str, tuple[Callable[[Frame, dict[str, Frame]], Frame], str]] = {
    "an hour": (lambda frame, _: frame.assign(x1=frame["x1"] + 60), "another unit? +60: x1"),
    "the evening": (lambda frame, _: frame[frame["x1"] < 1150], "the end is missing: 11"),
    "the morning": (lambda frame, _: frame[frame["x1"] > 500], "the beginning is missing: 50"),
    "rounded": (lambda frame, _: frame.assign(x2=frame["x2"].round()), "rounded: whole numbers only"),
    "tens": (lambda frame, _: frame.assign(x1=frame["x1"].round(-1)), "rounded: tens only"),
    "the mean for nothing": (filled, "in 25% of the rows, which it never had"),
    "cut": (cut, "cut at its highest value (capped 2"),
    "half of yesterday": (mixed, f"of both days' rows are the same as on {DAYS[-2]}"),
    "another grid": (
        lambda frame, _: frame.assign(x2=frame["x2"] + 0.05),
        "numbers that it never had, in 100% of the rows",
    ),
    "mirrored": (lambda frame, _: frame.assign(y=-frame["y"]), "another unit? × -1: y"),
    "in centimetres": (lambda frame, _: frame.assign(x2=frame["x2"] * 10), "another unit? × 10"),
    "in hours": (lambda frame, _: frame.assign(y=frame["y"] / 60), "another unit? ÷ 60: y"),
    "yesterday's": (yesterdays, f"the values of {DAYS[-2]}: 0% are others"),
}  # fmt: skip


def said(days: dict[str, Frame], night: Frame, made: Reference, model: ModelSpec, dataset: DatasetSpec) -> str:  # fmt: skip
    frames = {key: days[key] for key in DAYS[60:-1]} | {NIGHT: night}
    window = {key: observe(made, rows, dataset.keys) for key, rows in frames.items()}
    return "; ".join(map(str, health.check(made, Window(NIGHT, window), model.monitoring)))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_with_a_shape_of_its_own_is_named(
    fault: str, days: dict[str, Frame], made: Reference, model: ModelSpec, dataset: DatasetSpec
) -> None:
    break_, told = FAULTS[fault]
    assert told in said(days, break_(days[NIGHT], days), made, model, dataset)


def test_control_the_same_night_unbroken_is_sound(
    days: dict[str, Frame], made: Reference, model: ModelSpec, dataset: DatasetSpec
) -> None:
    assert said(days, days[NIGHT], made, model, dataset) == ""


def test_a_column_whose_days_are_often_alike_may_stay_as_it_was(
    days: dict[str, Frame], model: ModelSpec, dataset: DatasetSpec
) -> None:
    """As a rate of exchange does over a weekend."""
    kept = dict(days)
    for at in range(0, 60, 7):
        kept[DAYS[at + 1]] = kept[DAYS[at + 1]].assign(x2=kept[DAYS[at]]["x2"])
    made = reference.build(model, dataset, pd.concat([kept[key] for key in DAYS[:60]]))
    assert "the values of" not in said(kept, yesterdays(kept[NIGHT], kept), made, model, dataset)


def test_an_hour_that_the_plan_has_known_is_none(
    days: dict[str, Frame], model: ModelSpec, dataset: DatasetSpec
) -> None:
    later = dict(days)
    later[DAYS[30]] = later[DAYS[30]].assign(x1=later[DAYS[30]]["x1"] + 60)
    made = reference.build(model, dataset, pd.concat([later[key] for key in DAYS[:60]]))
    night = later[NIGHT].assign(x1=later[NIGHT]["x1"] + 60)
    assert "+60" not in said(later, night, made, model, dataset)


def test_an_evening_without_its_one_late_flight_has_its_end(
    days: dict[str, Frame], model: ModelSpec, dataset: DatasetSpec
) -> None:
    def late(frame: Frame) -> Frame:
        return frame.assign(x1=frame["x1"].where(frame.index < len(frame) - 1, 1700.0))

    kept = {key: late(frame) for key, frame in days.items()}
    made = reference.build(model, dataset, pd.concat([kept[key] for key in DAYS[:60]]))
    # And the others end a little earlier than they ever did: not by a twentieth of the rows.
    night = days[NIGHT].assign(x1=days[NIGHT]["x1"].clip(upper=1290))
    assert "is missing" not in said(kept, night, made, model, dataset)


def test_a_column_of_which_few_rows_have_a_fraction_may_have_none(
    days: dict[str, Frame], model: ModelSpec, dataset: DatasetSpec
) -> None:
    def seldom(at: int, frame: Frame) -> Frame:
        whole = frame["x2"].round()
        return frame.assign(x2=whole.where(frame.index >= 5 + at % 3, whole + 0.25))

    kept = {key: seldom(at, frame) for at, (key, frame) in enumerate(days.items())}
    made = reference.build(model, dataset, pd.concat([kept[key] for key in DAYS[:60]]))
    night = days[NIGHT].assign(x2=days[NIGHT]["x2"].round())
    assert "rounded" not in said(kept, night, made, model, dataset)


def test_an_end_that_is_the_columns_own_may_be_reached_by_many(
    days: dict[str, Frame], model: ModelSpec, dataset: DatasetSpec
) -> None:
    """As the air holds no more water than it can, for hours on a day of rain."""
    kept = dict(days)
    kept[DAYS[9]] = kept[DAYS[9]].assign(y=kept[DAYS[9]]["y"].clip(upper=90).where(lambda y: y < 80, 90))  # fmt: skip
    kept = {key: frame.assign(y=frame["y"].clip(upper=90)) for key, frame in kept.items()}
    made = reference.build(model, dataset, pd.concat([kept[key] for key in DAYS[:60]]))
    night = kept[NIGHT].assign(y=kept[NIGHT]["y"].where(kept[NIGHT]["y"] < 30, 90))
    assert "cut at" not in said(kept, night, made, model, dataset)


def test_a_day_that_has_one_number_alone_is_not_cut(
    days: dict[str, Frame], model: ModelSpec, dataset: DatasetSpec
) -> None:
    """Gusts, which calm days have none of: on one day there was one, and all three airports saw it."""
    gusty = {
        key: frame.assign(x2=frame["x2"].where(frame.index % 50 < 10))
        for key, frame in days.items()
    }
    made = reference.build(model, dataset, pd.concat([gusty[key] for key in DAYS[:60]]))
    calm = gusty[NIGHT].assign(x2=gusty[NIGHT]["x2"].notna().map({True: 40.3, False: np.nan}))
    assert made.health is not None
    night = observe(made, calm, dataset.keys).profile(made.health.layout)
    assert np.isnan([night.of(("x2", "capped")), night.of(("x2", "floored"))]).all()
    assert "cut at" not in said(gusty, calm, made, model, dataset)
