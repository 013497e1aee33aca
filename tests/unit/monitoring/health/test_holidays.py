"""A holiday is no day cut short, and what is broken on one is broken all the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd
import pytest

from airloop.holidays import calendar_of, is_holiday
from airloop.monitoring import health, reference
from airloop.monitoring.day import observe
from airloop.monitoring.health.clocks import holiday
from airloop.monitoring.reference import Reference
from airloop.monitoring.window import Window
from airloop.specs import DatasetSpec, ModelSpec

Make = Callable[..., pd.DataFrame]
#: Of Mondays; Martin Luther King's day and Presidents' Day are among the reference's.
HOLIDAY, MONDAY = "2013-05-27", "2013-05-20"


@pytest.fixture(scope="module")
def in_america(dataset: DatasetSpec) -> DatasetSpec:
    return dataset.model_copy(update={"holidays": "US"})


def weekly(make_frame: Make, day: str, *, off: bool = False) -> pd.DataFrame:
    """Mondays to Fridays have more rows, and larger ones."""
    work = date.fromisoformat(day).weekday() < 5 and not off
    frame = make_frame(date.fromisoformat(day).toordinal(), day, rows=500 if work else 290)
    return frame.assign(x1=frame["x1"] + 3.0 * work)


@pytest.fixture(scope="module")
def made(model: ModelSpec, in_america: DatasetSpec, make_frame: Make) -> Reference:
    keys = pd.date_range("2013-03-20", periods=60).strftime("%Y-%m-%d")
    frame = pd.concat([weekly(make_frame, key, off=holiday(key, "US")) for key in keys])
    return reference.build(model, in_america, frame, labels=frame["y"])


def said(made: Reference, dataset: DatasetSpec, model: ModelSpec, rows: pd.DataFrame) -> str:
    night = f"{rows['day'].iloc[0]:%Y-%m-%d}"
    known = reference.beside(made, dataset)
    window = Window(night, {night: observe(known, rows, dataset.keys)})
    return "; ".join(map(str, health.check(known, window, model.monitoring)))


def test_a_holiday_is_an_incident_only_to_who_knows_no_holidays(
    made: Reference,
    model: ModelSpec,
    dataset: DatasetSpec,
    in_america: DatasetSpec,
    make_frame: Make,
) -> None:
    rows = weekly(make_frame, HOLIDAY, off=True)
    assert "only 290 rows, Mondays" in said(made, dataset, model, rows)
    assert said(made, in_america, model, rows) == ""


@pytest.mark.parametrize("day", [HOLIDAY, MONDAY])
def test_another_unit_is_one_on_a_holiday_too(
    made: Reference, model: ModelSpec, in_america: DatasetSpec, make_frame: Make, day: str
) -> None:
    rows = weekly(make_frame, day, off=day == HOLIDAY).assign(x2=lambda frame: 60 * frame["x2"])
    assert "× 60" in said(made, in_america, model, rows)


def test_a_monday_cut_short_is_one_beside_a_calendar(
    made: Reference, model: ModelSpec, in_america: DatasetSpec, make_frame: Make
) -> None:
    rows = weekly(make_frame, MONDAY)
    assert said(made, in_america, model, rows) == ""
    assert "only 275 rows, Mondays of" in said(made, in_america, model, rows.head(275))


def test_the_calendar_is_kept_in_the_reference_and_is_that_of_now(
    made: Reference, dataset: DatasetSpec
) -> None:
    assert made.health is not None
    assert made.health.holidays == "US"
    now = reference.beside(made, dataset)
    assert now.health is not None
    assert now.health.holidays is None
    np.testing.assert_array_equal(now.health.matrix, made.health.matrix)


def test_calendars_are_of_countries_parts_of_them_and_exchanges() -> None:
    assert is_holiday("US", date(2013, 7, 4))
    assert is_holiday("DE-BY", date(2013, 1, 6))
    assert not is_holiday("DE", date(2013, 1, 6))
    assert is_holiday("NYSE", date(2013, 3, 29))
    assert not holiday("2013-07-04", None)
    assert not holiday("2013-W27", "US")
    with pytest.raises(ValueError, match="there is no such holiday calendar; write a country"):
        calendar_of("Bavaria")
