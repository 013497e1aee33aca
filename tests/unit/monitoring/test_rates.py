"""What ten bins are blind to: rare labels, two values, rare categories, values that are missing."""

from __future__ import annotations

import numpy as np
import pytest

from airloop.contracts import FeatureDrift, Outcome
from airloop.monitoring import compare, drift
from airloop.monitoring.reference import ColumnReference
from airloop.monitoring.sketch import Bins, Counts, Kind
from airloop.specs.sections.watching import MonitoringSpec
from tests.unit.monitoring.worlds import DAYS, flags, night_of, world_of

SPEC = MonitoringSpec()
RANDOM = np.random.default_rng


def judged(
    columns: list[ColumnReference], night: list[Counts], days: int = 1
) -> list[FeatureDrift]:
    window = {one.bins.column: counts for one, counts in zip(columns, night, strict=True)}
    return list(drift.judge(world_of(columns), window, days, SPEC))


def found(before: float, now: float, rows: int, nights: int = 100) -> int:
    random = RANDOM(5)
    result = 0
    for _ in range(nights):
        columns = [
            flags(random.binomial(rows, before, DAYS), rows, f"c{number}") for number in range(5)
        ]
        night = [night_of(int(random.binomial(rows, before)), rows) for _ in range(4)]
        moved = judged(columns, [night_of(int(random.binomial(rows, now)), rows), *night])
        result += [one.column for one in moved if one.outcome is Outcome.BAD] == ["c0"]
    return result


@pytest.mark.parametrize(
    ("before", "now", "rows"), [(0.001, 0.02, 500), (0.01, 0.03, 7_000), (0.2, 0.3, 1_000)]
)
def test_a_rate_that_is_half_again_or_more_is_found(before: float, now: float, rows: int) -> None:
    assert found(before, now, rows) >= 95


def test_control_the_index_alone_is_blind_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "two_valued", lambda *_: None)
    assert found(0.001, 0.02, 500) <= 15
    assert found(0.2, 0.3, 1_000) == 0


def test_a_certain_change_that_does_not_matter_is_none() -> None:
    assert found(0.2, 0.22, 100_000, nights=20) == 0


def test_quiet_nights_of_rare_labels_are_quiet() -> None:
    random = RANDOM(6)
    alarms = 0
    for _ in range(20):
        rates = np.array([0.0005, 0.002, 0.01, 0.05, 0.3])
        # Days differ beyond their rows, too.
        daily = rates * np.exp(0.3 * random.normal(size=(DAYS + 25, 5)))
        hits = random.binomial(500, daily)
        columns = [flags(hits[:DAYS, at], 500, f"c{at}") for at in range(5)]
        for night in hits[DAYS:]:
            said = judged(columns, [night_of(int(one), 500) for one in night])
            alarms += any(one.outcome is Outcome.BAD for one in said)
    assert alarms <= 5  # of 500


def absent(by_day: np.ndarray, rows: int) -> ColumnReference:
    whole = flags(np.zeros(len(by_day), dtype=int), rows)
    return whole.model_copy(
        update={"missing": int(by_day.sum()), "day_missing": tuple(by_day.tolist())}
    )


def test_the_missing_share_is_a_column_of_its_own() -> None:
    random = RANDOM(7)
    column = absent(random.binomial(500, 0.05, DAYS), 500)
    for gone, moved in ((25, False), (100, True)):
        night = Counts(np.array([0, 500, 0, 0]), rows=500 + gone, missing=gone, low=0.0, high=0.0)
        [said] = [one for one in judged([column], [night]) if one.column == "flag (missing)"]
        assert (said.outcome is Outcome.BAD) is moved
    assert "odds ratio" in said.reason
    assert "rate 0.0" in said.reason


def test_of_a_column_that_is_never_missing_nothing_is_asked() -> None:
    column = flags(np.full(DAYS, 100), 500)
    assert [one.column for one in judged([column], [night_of(100, 500)])] == ["flag"]


def test_too_few_days_could_not_tell() -> None:
    column = absent(np.full(10, 25), 500)
    night = Counts(np.array([0, 500, 0, 0]), rows=1_000, missing=500, low=0.0, high=0.0)
    said = judged([column], [night], days=7)
    assert [(one.column, one.outcome) for one in said] == [
        ("flag (missing)", Outcome.UNKNOWN),
        ("flag", Outcome.UNKNOWN),
    ]


def test_a_rare_category_that_is_three_times_as_often_is_found_and_named() -> None:
    random = RANDOM(8)
    shares = [0.4, 0.3, 0.28, 0.02]
    by_day = np.column_stack([random.multinomial(1_000, shares, DAYS), np.zeros(DAYS, dtype=int)])
    column = ColumnReference(
        bins=Bins(column="c", kind=Kind.CATEGORY, categories=("a", "b", "c", "d")),
        counts=tuple(by_day.sum(axis=0).tolist()),
        missing=0,
        day_counts=tuple(map(tuple, by_day.tolist())),
        day_missing=(0,) * DAYS,
        day_totals=(),
    )
    for share, moved in ((0.02, False), (0.06, True)):
        now = random.multinomial(1_000, [0.4, 0.3, 0.3 - share, share])
        [said] = judged([column], [Counts(np.append(now, 0), rows=1_000)])
        assert (said.outcome is Outcome.BAD) is moved
    assert "of 'd'" in said.reason
