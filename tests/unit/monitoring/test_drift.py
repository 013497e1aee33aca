"""False alarms and power, on data whose truth is known (RELIABILITY M1, M2)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from airloop.contracts import FeatureDrift, Outcome
from airloop.monitoring import compare, drift
from airloop.monitoring.day import observe
from airloop.monitoring.reference import ColumnReference, Reference
from airloop.monitoring.shape import psi
from airloop.monitoring.sketch import Counts, Kind, count, cut
from airloop.specs import DatasetSpec, ModelSpec
from airloop.specs.sections.watching import MonitoringSpec

SPEC = MonitoringSpec()


def reference_of(values: np.ndarray, days: int) -> Reference:
    """Columns of i.i.d. rows, spread over days."""
    groups = np.sort(np.random.default_rng(3).integers(0, days, values.shape[1]))
    return Reference(
        model="m",
        dataset="d",
        rows=values.shape[1],
        days=tuple(f"day {index}" for index in range(days)),
        day_rows=tuple(np.bincount(groups, minlength=days).tolist()),
        columns=tuple(column_of(f"c{i}", row, groups, days) for i, row in enumerate(values)),
    )


def column_of(name: str, row: np.ndarray, groups: np.ndarray, days: int) -> ColumnReference:
    bins = cut(name, Kind.NUMERIC, pd.Series(row))
    counted = [count(bins, pd.Series(row[groups == day])) for day in range(days)]
    return ColumnReference(
        bins=bins,
        counts=tuple(sum(one.bins for one in counted).tolist()),
        missing=0,
        day_counts=tuple(tuple(one.bins.tolist()) for one in counted),
        day_missing=(0,) * days,
        day_totals=tuple(one.total for one in counted),
    )


def judged(reference: Reference, values: np.ndarray) -> list[FeatureDrift]:
    window = {
        column.bins.column: count(column.bins, pd.Series(row))
        for column, row in zip(reference.columns, values, strict=True)
    }
    return list(drift.judge(reference, window, 1, SPEC))


def moved(features: list[FeatureDrift]) -> list[str]:
    return [one.column for one in features if one.outcome is Outcome.BAD]


@pytest.mark.parametrize(("days", "part"), [(1, 1), (30, 3)])
def test_at_most_one_quiet_night_in_a_hundred_is_called_drift(days: int, part: int) -> None:
    """Of many days, which cost six times as much to judge, a third of the nights."""
    random = np.random.default_rng(11)
    alarms = nights = 0
    for columns in (5, 20, 50):
        reference = reference_of(random.normal(size=(columns, 5_000)), days)
        for rows, repeats in ((20, 10), (100, 10), (200, 247), (500, 40), (2_000, 20), (10_000, 7)):
            for _ in range(0, repeats, part):
                features = judged(reference, random.normal(size=(columns, rows)))
                alarms += bool(moved(features))
                nights += 1
                if rows < SPEC.min_rows:
                    assert {one.outcome for one in features} == {Outcome.UNKNOWN}
    assert nights == {1: 1_002, 3: 345}[part]
    assert alarms <= nights // 100


@pytest.mark.parametrize("days", [1, 30])
def test_half_a_standard_deviation_in_one_of_ten_columns_is_found(days: int) -> None:
    random = np.random.default_rng(12)
    found = 0
    for _ in range(20):
        # Of thirty days some seem alike by chance, and tell less: one reference alone says little of the others.
        reference = reference_of(random.normal(size=(10, 5_000)), days)
        for _ in range(10):
            values = random.normal(size=(10, 1_000))
            values[3] += 0.5
            found += moved(judged(reference, values)) == ["c3"]
    assert found >= 190


def weather_like(
    make_reference: Callable[..., Reference],
    make_frame: Callable[..., pd.DataFrame],
    dataset: DatasetSpec,
) -> int:
    """Quiet nights of a world in which each day has its own weather: how many are called drift."""
    reference = make_reference(60, day_effect=1.0)
    alarms = 0
    for seed in range(1_000, 1_100):
        day = observe(reference, make_frame(seed, "2013-03-02", day_effect=1.0), dataset.keys)
        alarms += bool(moved(list(drift.judge(reference, day.columns, 1, SPEC))))
    return alarms


def test_the_weather_of_a_day_is_not_drift(
    make_reference: Callable[..., Reference],
    make_frame: Callable[..., pd.DataFrame],
    dataset: DatasetSpec,
) -> None:
    assert weather_like(make_reference, make_frame, dataset) <= 3


def test_control_without_the_days_own_spread_the_weather_is_drift(
    make_reference: Callable[..., Reference],
    make_frame: Callable[..., pd.DataFrame],
    dataset: DatasetSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compare, "day_p", lambda *_: 0.0)
    assert weather_like(make_reference, make_frame, dataset) >= 95


def test_a_shift_beyond_all_weather_is_drift_all_the_same(
    make_reference: Callable[..., Reference],
    make_frame: Callable[..., pd.DataFrame],
    dataset: DatasetSpec,
) -> None:
    reference = make_reference(60, day_effect=1.0)
    night = make_frame(5_000, "2013-07-02", day_effect=1.0)
    night["x2"] += 8.0
    day = observe(reference, night, dataset.keys)
    assert moved(list(drift.judge(reference, day.columns, 1, SPEC))) == ["x2"]


def test_control_without_holm_quiet_nights_of_many_columns_alarm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(13)
    reference = reference_of(random.normal(size=(50, 5_000)), 1)
    monkeypatch.setattr(
        drift,
        "_verdicts",
        lambda compared, spec: [one for each in compared for one in WITHOUT_HOLM([each], spec)],
    )
    nights = [bool(moved(judged(reference, random.normal(size=(50, 200))))) for _ in range(60)]
    assert sum(nights) >= 6


WITHOUT_HOLM = drift._verdicts


def test_too_few_rows_could_not_tell(
    quiet_reference: Reference, make_frame: Callable[..., pd.DataFrame], dataset: DatasetSpec
) -> None:
    day = observe(quiet_reference, make_frame(1, "2013-03-02", rows=60), dataset.keys)
    features = drift.judge(quiet_reference, day.columns, 1, SPEC)
    assert {one.outcome for one in features} == {Outcome.UNKNOWN}
    assert "monitoring.min_rows asks for 200" in features[0].reason


def test_a_reference_of_few_days_cannot_tell_of_long_windows(
    make_reference: Callable[..., Reference],
    make_frame: Callable[..., pd.DataFrame],
    dataset: DatasetSpec,
) -> None:
    reference = make_reference(10)
    day = observe(reference, make_frame(1, "2013-03-02"), dataset.keys)
    features = drift.judge(reference, day.columns, 7, SPEC)
    assert {one.outcome for one in features} == {Outcome.UNKNOWN}
    assert "too little of 7-day windows" in features[0].reason


def test_a_date_moves_on_and_is_not_judged(
    quiet_reference: Reference, make_frame: Callable[..., pd.DataFrame], dataset: DatasetSpec
) -> None:
    day = observe(quiet_reference, make_frame(1, "2019-03-02"), dataset.keys)
    assert "day" not in {one.column for one in drift.judge(quiet_reference, day.columns, 1, SPEC)}


def test_psi_is_zero_for_the_same_shares_and_grows_with_the_shift() -> None:
    then = np.array([1_000, 1_000, 1_000])
    assert psi(then, then) == pytest.approx(0, abs=1e-6)
    assert 0 < psi(np.array([900, 1_000, 1_100]), then) < psi(np.array([500, 1_000, 1_500]), then)


def test_a_column_constant_in_the_reference_is_found_to_have_moved(model: ModelSpec) -> None:
    reference = reference_of(np.zeros((1, 3_000)), 30)
    assert moved(judged(reference, np.ones((1, 500)))) == ["c0"]
    assert moved(judged(reference, np.zeros((1, 500)))) == []


def test_counts_of_nothing_have_no_mean() -> None:
    assert Counts(np.zeros(3, dtype=np.int64), rows=0).mean is None
