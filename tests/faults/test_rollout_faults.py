"""A canary under kill -9: whatever is killed in whichever step, it goes on in that step and ends once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.delivering import MODEL, PromoteScenario
from tests.faults.harness import Ended, kill_at_random_then_retry, run, watching
from tests.faults.rolling import RollingScenario

#: What a reader may see, in this order: the version that serves, and the candidate's percent.
STEPS = [(1, 0), (1, 1), (1, 10), (1, 50), (2, 0)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RollingScenario]:
    """Two registered versions, of which the first serves."""
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRLOOP_HOME", str(folder / "home"))
        PromoteScenario(folder).prepare(versions=2)
        yield RollingScenario(folder)


@pytest.fixture
def scenario(tmp_path: Path, world: RollingScenario) -> RollingScenario:
    return world.copy(tmp_path)


def check_whole(scenario: RollingScenario, seen: list[object], torn: list[str]) -> None:
    assert torn == []
    assert [state for state in STEPS if state in seen] == seen
    assert scenario.visible() == (2, 0)
    ledger = scenario.ledger()
    weights = [one.others[0].weight for one in reversed(ledger.traffics(MODEL))]
    assert (weights, scenario.commits()) == ([1, 10, 50], 1)
    assert ledger.audit().sound


@pytest.mark.parametrize("step", range(3))
@pytest.mark.parametrize("point", ["traffic:after", "directed:after"])
def test_killed_before_or_after_a_steps_row_it_goes_on_in_that_step(
    scenario: RollingScenario, step: int, point: str
) -> None:
    killed = replace(scenario, from_row=step)
    with watching(scenario) as reader:
        assert run(killed, f"{point}:kill").code == -signal.SIGKILL
        done = step if point == "traffic:after" else step + 1
        assert len(scenario.ledger().traffics(MODEL)) == done
        assert run(scenario) == Ended(0)
    check_whole(scenario, reader.seen, reader.torn)


@pytest.mark.parametrize("point", ["publish:before", "publish:after"])
def test_killed_at_the_promotion_it_is_promoted_once(scenario: RollingScenario, point: str) -> None:
    with watching(scenario) as reader:
        assert run(replace(scenario, from_row=3), f"{point}:kill").code == -signal.SIGKILL
        assert run(scenario) == Ended(0)
    check_whole(scenario, reader.seen, reader.torn)


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_it_ends_once(scenario: RollingScenario, seed: int) -> None:
    reader = kill_at_random_then_retry(scenario, seed, longest=0.6)
    check_whole(scenario, reader.seen, reader.torn)
