"""Where a reference spans a year, a night is held against its season: quiet where the year is, and awake to a change."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from airloop.columns import LABEL, PARTITION, PREDICTION
from airloop.contracts import Outcome
from airloop.data.labels import Labelled
from airloop.monitoring import drift, season
from airloop.monitoring.day import EMPTY
from airloop.monitoring.judging import judge
from airloop.monitoring.looking import labels_in
from airloop.monitoring.reference import ColumnReference, Reference
from airloop.monitoring.season import of_season
from airloop.monitoring.sketch import Counts, Kind, count, cut
from airloop.monitoring.window import Window
from airloop.specs import DatasetSpec, ModelSpec
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


def labels(
    model: ModelSpec, dataset: DatasetSpec, made: Reference, *, window: int, delay: int, off: float
) -> list[Outcome]:
    """What is said of the labels of some nights of which no more is seen: those of the days up to the delay."""
    watched = model.monitoring.model_copy(update={"window": f"{window}d"})
    target = model.target.model_copy(update={"delay_days": delay})
    late = model.model_copy(update={"monitoring": watched, "target": target})
    random, said = np.random.default_rng(3), []
    for at in range(460, 460 + 365, 25):
        keys = [str(FIRST + timedelta(days=at - back)) for back in range(window)]
        truths = pd.concat(
            pd.DataFrame(
                {
                    LABEL: day(random, at - delay - back, off),
                    PARTITION: str(FIRST + timedelta(days=at - delay - back)),
                }
            )
            for back in range(window)
        )
        seen = Window(keys[0], dict.fromkeys(keys, EMPTY), labels_in(made, truths))
        nothing = Labelled(pd.DataFrame(columns=[PARTITION, LABEL, PREDICTION]), 0, 0)
        found = judge(late, dataset, made, seen, nothing).report.features
        said += [one.outcome for one in found if one.column == LABEL]
    return said


@pytest.mark.parametrize("delay", [0, 30, 60])
def test_labels_that_come_late_are_held_against_the_season_of_their_own_day(
    year: Reference, model: ModelSpec, dataset: DatasetSpec, delay: int
) -> None:
    quiet = labels(model, dataset, year, window=7, delay=delay, off=0.0)
    assert (len(quiet), quiet.count(Outcome.UNKNOWN)) == (15, 0)
    assert quiet.count(Outcome.BAD) <= 1
    moved = labels(model, dataset, year, window=7, delay=delay, off=1.5)
    assert moved.count(Outcome.BAD) >= 13


def test_a_window_that_a_season_cannot_judge_is_held_against_the_whole_year(
    year: Reference, model: ModelSpec, dataset: DatasetSpec
) -> None:
    moved = labels(model, dataset, year, window=31, delay=0, off=5.0)
    assert moved == [Outcome.BAD] * 15
    assert of_season(year, "2013-06-15", 20) is not year
    assert of_season(year, "2013-06-15", 21) is year
