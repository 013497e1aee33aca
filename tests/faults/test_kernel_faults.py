"""The kernel under kill -9 and SIGSTOP, with the smallest publication there is."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.faults.harness import (
    POINTS,
    PUBLISHED,
    UNPUBLISHED,
    Ended,
    check_one_wins,
    kill_at_random_then_retry,
    kill_then_retry,
    overlap,
    run,
    watching,
)
from tests.faults.toy import FileScenario

# The first child waits for the server that imports everything.


@pytest.fixture
def scenario(tmp_path: Path) -> FileScenario:
    found = FileScenario(tmp_path)
    found.ledger()
    return found


@pytest.mark.parametrize("point", POINTS)
def test_a_step_killed_at_any_stage_converges(scenario: FileScenario, point: str) -> None:
    kill_then_retry(scenario, point).check_whole_or_nothing()


@pytest.mark.parametrize("seed", range(5))
def test_a_step_killed_at_random_converges(scenario: FileScenario, seed: int) -> None:
    kill_at_random_then_retry(scenario, seed, longest=0.08).check_whole_or_nothing()


def test_without_an_atomic_publish_a_reader_sees_half(scenario: FileScenario) -> None:
    """The control of the tests above."""
    with watching(scenario) as reader:
        run(scenario, sabotage="Torn")
    assert reader.torn != []


def test_without_asking_what_is_published_a_retry_publishes_again(scenario: FileScenario) -> None:
    """The control of the tests above."""
    assert run(scenario, "verify:before:kill", "Forgetful").code == -signal.SIGKILL
    assert run(scenario, sabotage="Forgetful") == Ended(0)
    assert scenario.commits() == 2


@pytest.mark.parametrize("point", UNPUBLISHED)
def test_of_two_overlapping_attempts_one_commits_and_the_other_is_superseded(
    scenario: FileScenario, point: str
) -> None:
    check_one_wins(scenario, point, by="")


@pytest.mark.parametrize("point", PUBLISHED)
def test_an_attempt_paused_after_it_published_has_committed_and_the_other_converges(
    scenario: FileScenario, point: str
) -> None:
    assert overlap(scenario, point) == (Ended(0), Ended(0))
    assert scenario.commits() == 1


def test_without_the_fence_the_paused_attempt_publishes_too(scenario: FileScenario) -> None:
    """The control of the test above."""
    paused, _ = overlap(scenario, "checksum:after", "Unfenced")
    assert paused == Ended(0)
    assert scenario.commits() == 2
