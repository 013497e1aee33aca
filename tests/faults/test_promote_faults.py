"""Promotion under kill -9 and SIGSTOP: the ledger leads, the service and the aliases follow."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from airloop.registry import models
from tests.faults.delivering import MODEL, PromoteScenario
from tests.faults.harness import (
    POINTS,
    UNPUBLISHED,
    Ended,
    check_one_wins,
    kill_at_random_then_retry,
    kill_then_retry,
    run,
    start,
)

#: What a reader may see, in this order: (ledger, service, champion alias).
STEPS = [(1, 1, 1), (2, 1, 1), (2, 2, 1), (2, 2, 2)]

# The first child waits for the server that imports everything.


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PromoteScenario]:
    """Three registered versions, of which the first serves."""
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRLOOP_HOME", str(folder / "home"))
        yield PromoteScenario(folder).prepare()


@pytest.fixture
def scenario(tmp_path: Path, world: PromoteScenario) -> PromoteScenario:
    return world.copy(tmp_path)


@pytest.mark.parametrize("point", POINTS)
def test_a_promotion_killed_at_any_stage_converges(scenario: PromoteScenario, point: str) -> None:
    reader = kill_then_retry(scenario, point)
    assert reader.torn == []
    assert [state for state in STEPS if state in reader.seen] == reader.seen
    assert reader.seen[-1] == (2, 2, 2)


@pytest.mark.parametrize("seed", range(5))
def test_a_promotion_killed_at_random_converges(scenario: PromoteScenario, seed: int) -> None:
    reader = kill_at_random_then_retry(scenario, seed, longest=0.5)
    assert reader.torn == []
    assert [state for state in STEPS if state in reader.seen] == reader.seen
    assert reader.seen[-1] == (2, 2, 2)
    assert scenario.commits() == 1


def test_were_the_alias_first_it_would_name_what_nobody_deployed(
    scenario: PromoteScenario,
) -> None:
    """The control of the tests above."""
    assert run(scenario, sabotage="aliases first").code == -signal.SIGKILL
    with pytest.raises(AssertionError, match="champion 2 was never deployed"):
        scenario.visible()


def test_without_asking_what_is_deployed_a_retry_deploys_again(scenario: PromoteScenario) -> None:
    """The control of the tests above."""
    assert run(scenario, "verify:before:kill", "not asking").code == -signal.SIGKILL
    assert run(scenario, sabotage="not asking") == Ended(0)
    assert scenario.commits() == 2


@pytest.mark.parametrize("point", UNPUBLISHED)
def test_of_two_overlapping_promotions_one_commits_and_the_other_is_superseded(
    scenario: PromoteScenario, point: str
) -> None:
    check_one_wins(scenario, point, by="attempt")
    assert scenario.visible() == (2, 2, 2)


def newer_while_paused(scenario: PromoteScenario, fault: str, sabotage: str = "") -> Ended:
    """Version 3 is promoted while version 2's promotion sleeps; returns how that one ended."""
    first = start(scenario, fault, sabotage)
    try:
        first.wait_until_stopped()
        serving = scenario.ledger().current_deployment(MODEL)
        champion = serving.version if serving else None
        newer = PromoteScenario(scenario.folder, number=3, champion=champion)
        assert run(newer, sabotage="no fence" if sabotage == "no fence" else "") == Ended(0)
    finally:
        first.signal(signal.SIGCONT)
    return first.wait()


@pytest.mark.parametrize("point", [*UNPUBLISHED[-2:], "verify:after"])
def test_a_stale_promotion_never_replaces_a_newer_champion(
    scenario: PromoteScenario, point: str
) -> None:
    ended = newer_while_paused(scenario, f"{point}:pause")
    assert ended.error.startswith("SupersededError: superseded by")
    assert scenario.visible() == (3, 3, 3)


def test_without_the_fence_it_does(scenario: PromoteScenario) -> None:
    """The control of the test above."""
    newer_while_paused(scenario, "publish:before:pause", "no fence")
    assert scenario.visible()[0] == 2


def test_a_promotion_that_wakes_at_its_last_act_leaves_the_newer_alias(
    scenario: PromoteScenario,
) -> None:
    """It has its row and the service's word, and is overtaken just before it moves the alias."""
    newer_while_paused(scenario, "", "late aliases")
    assert scenario.visible() == (3, 3, 3)
    assert models.aliases(MODEL, settings=scenario.settings())[models.PREVIOUS] == 2


def test_were_the_ledger_not_read_again_the_old_alias_would_stay(scenario: PromoteScenario) -> None:
    """The control of the test above."""
    newer_while_paused(scenario, "", "late aliases, copied once")
    assert scenario.visible() == (3, 3, 2)
