"""Where a reference spans a year, a night is held against its season: quiet where the year is, and awake to a change."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from airloop.contracts import Outcome
from airloop.monitoring import drift, season
from airloop.monitoring.reference import ColumnReference, Reference
from airloop.monitoring.season import of_season
from airloop.monitoring.sketch import Counts, Kind, count, cut
from airloop.specs.sections.watching import MonitoringSpec

ROWS, FIRST = 200, date(2012, 1, 1)
SPEC = MonitoringSpec()


def day(random: np.random.Generator, at: int, off: float = 0.0) -> pd.Series:
    """A day's temperatures: warm in summer by two standard deviations of its rows."""
    mean = -2 * np.cos(2 * np.pi * at / 365.25) + 0.1 * random.normal() + off
    return pd.Series(random.normal(mean, 1, ROWS))


def reference(days: int) -> Reference:
    random = np.random.default_rng(41)
    rows = [day(random, at) for at in range(days)]
    bins = cut("temp", Kind.NUMERIC, pd.concat(rows))
    counted = [count(bins, one) for one in rows]
    column = ColumnReference(
        bins=bins,
        counts=tuple(np.sum([one.bins for one in counted], axis=0).tolist()),
        missing=0,
        day_counts=tuple(tuple(one.bins.tolist()) for one in counted),
        day_missing=(0,) * days,
        day_totals=tuple(one.total for one in counted),
    )
    return Reference(
        model="m",
        dataset="d",
        rows=days * ROWS,
        days=tuple(str(FIRST + timedelta(days=at)) for at in range(days)),
        day_rows=(ROWS,) * days,
        columns=(column,),
        label=column,
    )


@pytest.fixture(scope="module")
def year() -> Reference:
    return reference(430)


def heard(made: Reference, off: float, *, apart: int = 20) -> list[bool]:
    """Whether each of some nights after the reference has drifted."""
    random = np.random.default_rng(42)
    said = []
    for at in range(430, 430 + 365, apart):
        night = str(FIRST + timedelta(days=at))
        counts: dict[str, Counts] = {"temp": count(made.columns[0].bins, day(random, at, off))}
        found = drift.judge(of_season(made, night), counts, 1, SPEC)
        said.append(found[0].outcome is Outcome.BAD)
    return said


def test_the_nights_of_a_year_are_quiet_and_a_change_is_heard(year: Reference) -> None:
    assert sum(heard(year, 0.0)) <= 1  # of 19
    assert sum(heard(year, 1.0)) >= 14


def test_control_against_the_whole_year_the_change_is_the_season(
    year: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(season, "MIN_DAYS", 1_000)
    assert sum(heard(year, 1.0)) <= 4


def test_control_with_one_season_the_year_is_a_drift() -> None:
    assert sum(heard(reference(60), 0.0)) >= 10


def test_the_days_of_a_season_are_those_of_every_year_and_add_up(year: Reference) -> None:
    found = of_season(year, "2013-03-01")
    assert found.days[0] == "2012-01-31"
    assert found.days[-1] == "2013-03-05"
    assert {one[5:7] for one in found.days} <= {"01", "02", "03"}
    assert len(found.days) == len(found.day_rows) == len(found.columns[0].day_counts)
    assert sum(found.columns[0].counts) == found.rows
    assert found.label is not None
    assert len(found.label.day_totals) == len(found.days)


@pytest.mark.parametrize("partition", ["2013-W09", "2013-03", "2013-03-01T0600Z"])
def test_what_is_no_day_has_the_whole_reference(year: Reference, partition: str) -> None:
    assert of_season(year, partition) is year


def test_less_than_a_year_is_taken_whole() -> None:
    made = reference(364)
    assert of_season(made, "2013-01-10") is made
