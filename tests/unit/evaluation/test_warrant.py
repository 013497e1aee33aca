"""The ledger's word on what may be delivered, when a verdict is asked for or given more than once."""

from __future__ import annotations

from pathlib import Path

import pytest

from airloop.contracts import ArtifactRef, Check, GateReport, ModelVersion, Outcome
from airloop.errors import GateError
from airloop.evaluation.warrant import (
    ACTIONS,
    DELIVERS,
    JUDGED,
    as_recorded,
    identity,
    prove,
)
from airloop.ledger import Ledger
from airloop.vocabulary import Topic

DIGEST, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
VERSION = ModelVersion(
    model="lateness",
    version=9,
    run_id="r1",
    artifact=ArtifactRef(uri="runs:/r1/model", digest=DIGEST),
    champion_version=3,
)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


def say(ledger: Ledger, outcome: Outcome, delivers: str | None = DIGEST, guard: str = ""):
    return ledger.record_decision(
        entity="lateness",
        topic=Topic.GATE,
        action=ACTIONS[outcome],
        reason=f"the gates said {outcome}",
        figures={"run_id": "r1", JUDGED: DIGEST, DELIVERS: delivers, "guard": guard},
        id=identity("r1", 3, outcome),
    )


def test_what_passed_is_proven(ledger: Ledger) -> None:
    passed = say(ledger, Outcome.OK)
    assert prove(VERSION, ledger) == passed


def test_a_later_no_to_the_same_run_takes_the_yes_back(ledger: Ledger) -> None:
    say(ledger, Outcome.OK)
    say(ledger, Outcome.BAD, None)
    with pytest.raises(GateError, match="refused: the gates said bad"):
        prove(VERSION, ledger)


def test_a_later_could_not_tell_does_not(ledger: Ledger) -> None:
    passed = say(ledger, Outcome.OK)
    say(ledger, Outcome.UNKNOWN, None)
    assert prove(VERSION, ledger) == passed


def test_a_step_that_is_repeated_says_what_it_said_first(ledger: Ledger) -> None:
    """The guard could not tell at first; a report with its second answer was refused for good."""
    say(ledger, Outcome.OK, guard="nobody could tell")
    again = say(ledger, Outcome.OK, OTHER, "the refit may be delivered")
    check = Check(name="absolute", outcome=Outcome.OK, reason="")
    report = GateReport(
        model="lateness", run_id="r1", champion_version=3, checks=(check,), delivers=OTHER
    )
    told = as_recorded(report, again)
    assert (told.delivers, told.guard) == (DIGEST, "nobody could tell")
    assert as_recorded(told, again) == told
