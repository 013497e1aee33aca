"""Of a short reference a gross change is found, or it could not be told: it is never called quiet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from airloop.contracts import FeatureDrift, Outcome
from airloop.monitoring import drift, gross
from airloop.monitoring.reference import Reference
from airloop.monitoring.sketch import count
from airloop.specs.sections.watching import MonitoringSpec
from tests.unit.monitoring.worlds import windy

SPEC = MonitoringSpec()


def of_shifted(reference: Reference, night: Sequence[np.ndarray], by: float) -> FeatureDrift:
    """What is said of the first column, shifted."""
    columns = {
        column.bins.column: count(column.bins, pd.Series(rows + by * (at == 0)))
        for at, (column, rows) in enumerate(zip(reference.columns, night, strict=True))
    }
    return next(one for one in drift.judge(reference, columns, 1, SPEC) if one.column == "c0")


def answers(days: int, like: float, worlds: int = 12) -> dict[Outcome, int]:
    """What is said after a shift of ten standard deviations of days."""
    random = np.random.default_rng([31, days])
    said = [of_shifted(*windy(random, days, like), 5.0).outcome for _ in range(worlds)]
    return {outcome: said.count(outcome) for outcome in Outcome}


@pytest.mark.parametrize("like", [0.0, 0.8])
@pytest.mark.parametrize("days", [2, 3, 5, 8, 12])
def test_a_gross_shift_is_found_or_could_not_be_told(days: int, like: float) -> None:
    assert answers(days, like)[Outcome.OK] <= 1


@pytest.mark.parametrize("like", [0.0, 0.8])
def test_twelve_days_mostly_find_it(like: float) -> None:
    assert answers(12, like)[Outcome.BAD] >= 10


def test_two_days_say_how_many_it_takes() -> None:
    said = of_shifted(*windy(np.random.default_rng(1), 2, 0.0), 5.0)
    assert said.outcome is Outcome.UNKNOWN
    assert said.reason.startswith("could not tell: 2 reference days say too little of single days")
    assert "raise training.window to " in said.reason


def test_sixty_days_call_a_quiet_column_quiet() -> None:
    assert of_shifted(*windy(np.random.default_rng(2), 60, 0.8), 0.0).outcome is Outcome.OK


def test_control_without_the_question_few_days_call_anything_quiet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drift, "blind", lambda *_: None)
    assert answers(3, 0.8)[Outcome.OK] >= 6


def test_days_that_would_never_tell_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gross, "LONGEST", 4)
    said = of_shifted(*windy(np.random.default_rng(3), 3, 0.0), 0.0)
    assert (
        "4 would not tell, either, since days vary so much or 300 values are so few" in said.reason
    )
