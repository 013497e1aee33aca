"""A partition and its quarantine, two Delta commits that must look like one, under kill -9 and SIGSTOP."""

from __future__ import annotations

from pathlib import Path

import pytest

from airloop.data.publication import Content
from tests.faults.harness import Ended, kill_then_retry, overlap, run, watching
from tests.faults.partition_scenario import PartitionScenario


@pytest.fixture
def scenario(tmp_path: Path) -> PartitionScenario:
    found = PartitionScenario(tmp_path)
    found.ledger()
    return found


@pytest.mark.parametrize("point", ["stage:after", "publish:before", "publish:after"])
def test_a_partition_is_never_seen_without_its_quarantine(
    scenario: PartitionScenario, point: str
) -> None:
    kill_then_retry(scenario, point).check_whole_or_nothing()
    assert scenario.quarantine_commits() == 1


def test_an_attempt_killed_between_the_two_commits_converges(scenario: PartitionScenario) -> None:
    with watching(scenario) as reader:
        assert run(scenario, sabotage="killed between the commits").code == -9
        assert scenario.quarantine_commits() == 1
        assert scenario.visible() is None
        assert run(scenario) == Ended(0)
    assert reader.torn == []
    assert scenario.commits() == scenario.quarantine_commits() == 1


def test_without_the_quarantine_first_a_partition_is_seen_without_it(
    scenario: PartitionScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the tests above."""
    monkeypatch.setattr(Content, "quarantine_is_in", lambda *_: True)
    with watching(scenario) as reader:
        scenario.attempt()
    assert "a partition without its quarantine" in reader.torn


def test_the_lake_alone_refuses_an_attempt_that_slept_past_the_ledgers_fence(
    scenario: PartitionScenario,
) -> None:
    """Paused after its last look at the ledger: only the log's own transaction id can stop it."""
    paused, other = overlap(scenario, "publish:before")
    assert other == Ended(0)
    assert "SupersededError: superseded by attempt 2" in paused.error
    assert scenario.commits() == 1


def test_without_the_fences_the_paused_attempt_commits_too(scenario: PartitionScenario) -> None:
    """The control of the test above."""
    paused, other = overlap(scenario, "publish:before", "unfenced")
    assert (paused, other) == (Ended(0), Ended(0))
    assert scenario.commits() == 2


def test_an_attempt_repeated_makes_no_second_commit(scenario: PartitionScenario) -> None:
    assert run(scenario) == run(scenario) == Ended(0)
    assert scenario.commits() == scenario.quarantine_commits() == 1
