"""What lasts while the model is still good was no fault; whatever else lasts is one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from airloop.contracts import Check, Outcome
from airloop.findings import Finding
from airloop.ledger.incidents import Incident
from airloop.monitoring.lasting import lasted
from airloop.specs.sections.watching import LastingSpec, MonitoringSpec
from airloop.vocabulary import IncidentStatus

SPEC = MonitoringSpec(drift_after=LastingSpec(nights=3, of=5))
NIGHTS = [f"2013-03-{day:02d}" for day in range(1, 8)]
GOOD, BAD, UNKNOWN = (Check(name="p", outcome=one, reason="r") for one in Outcome)
WARMER = Finding("warmer", ("temp",), lasting=True)


def incident(night: str, *columns: str, lasting: bool = True) -> Incident:
    return Incident(
        number=int(night[-2:]),
        model="guess",
        dataset="world",
        partition=night,
        digest="d",
        columns=columns or ("temp",),
        lasting=lasting,
        reason="r",
        at=datetime(2013, 3, 1, tzinfo=UTC),
    )


def test_the_third_night_alike_proves_the_others_drift() -> None:
    earlier = [incident(NIGHTS[4]), incident(NIGHTS[5])]
    assert lasted(SPEC, [WARMER], earlier, NIGHTS, GOOD) == tuple(earlier)


@pytest.mark.parametrize("performance", [BAD, UNKNOWN])
def test_without_a_good_performance_nothing_is_proved(performance: Check) -> None:
    earlier = [incident(NIGHTS[4]), incident(NIGHTS[5])]
    assert lasted(SPEC, [WARMER], earlier, NIGHTS, performance) == ()


@pytest.mark.parametrize(
    "earlier",
    [
        [incident(NIGHTS[5])],
        [incident(NIGHTS[0]), incident(NIGHTS[5])],
        [incident(NIGHTS[4], "wind"), incident(NIGHTS[5])],
        [incident(NIGHTS[4], lasting=False), incident(NIGHTS[5])],
        [incident(NIGHTS[4]).model_copy(update={"status": IncidentStatus.FAULT}), incident(NIGHTS[5])],
    ],
    ids=["too few", "too long ago", "another column", "something was absent", "a person said fault"],
)  # fmt: skip
def test_other_nights_prove_nothing(earlier: list[Incident]) -> None:
    assert lasted(SPEC, [WARMER], earlier, NIGHTS, GOOD) == ()


def test_what_is_absent_or_twice_there_is_never_proved_drift() -> None:
    earlier = [incident(NIGHTS[4]), incident(NIGHTS[5])]
    twice = Finding("loaded twice?")
    assert lasted(SPEC, [WARMER, twice], earlier, NIGHTS, GOOD) == ()


def test_more_nights_than_there_are_is_one_clear_error() -> None:
    with pytest.raises(ValidationError, match="7 nights of 3 never come"):
        LastingSpec(nights=7, of=3)
