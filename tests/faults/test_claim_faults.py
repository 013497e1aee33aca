"""A claim killed at every stage: the run's next attempt has the same reason, and no other run ever has it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.faults.claiming import MODEL, ClaimScenario
from tests.faults.harness import Ended, kill_then_retry, run

POINTS = ["claim:before", "claim:after", "commit:after", "begin:before", "begin:after"]
WAITING, CLAIMED, RUNNING = ("waiting", None), ("claimed", "train_m/1"), ("running", "train_m/1")

# The first child waits for the server that imports everything.
pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("point", POINTS)
def test_a_claim_killed_at_any_stage_is_taken_up_by_its_own_run(tmp_path: Path, point: str) -> None:
    scenario = ClaimScenario(tmp_path)
    scenario.ledger.emit_trigger(model=MODEL, cause="drift", dedup_key="k", reason="r")
    reader = kill_then_retry(scenario, point)
    assert reader.torn == []
    assert reader.seen[-1] == (RUNNING,)
    order = [(WAITING,), (CLAIMED,), (RUNNING,)]
    assert [state for state in order if state in reader.seen] == reader.seen


@pytest.mark.parametrize("point", POINTS)
def test_a_request_of_the_runs_own_is_written_with_its_claim_or_not_at_all(
    tmp_path: Path, point: str
) -> None:
    scenario = ClaimScenario(tmp_path, own=True)
    reader = kill_then_retry(scenario, point)
    assert reader.torn == []
    assert reader.seen[-1] == (RUNNING,)
    assert (WAITING,) not in reader.seen


def test_what_a_killed_claim_holds_no_other_run_gets(tmp_path: Path) -> None:
    dead = ClaimScenario(tmp_path)
    dead.ledger.emit_trigger(model=MODEL, cause="drift", dedup_key="k", reason="r")
    assert run(dead, "commit:after:kill").code == -signal.SIGKILL
    other = ClaimScenario(tmp_path, run="train_m/2")
    assert other.ledger.claim_trigger(MODEL, other.run) is None
    assert run(dead) == Ended(0)
    assert other.visible() == (RUNNING,)
