"""The ingest step under kill -9 and SIGSTOP, on a real lake with a reader beside it."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airloop.data.lake.lake import Lake
from airloop.data.lake.vacuum import sweep
from tests.faults.harness import (
    POINTS,
    UNPUBLISHED,
    Ended,
    check_one_wins,
    kill_at_random_then_retry,
    kill_then_retry,
    overlap,
    run,
)
from tests.faults.ingesting import HALFWAY, IngestScenario

# The first child waits for the server that imports everything.


@pytest.fixture
def scenario(tmp_path: Path) -> IngestScenario:
    return IngestScenario(tmp_path).prepare()


@pytest.mark.parametrize("point", POINTS)
def test_an_ingest_killed_at_any_stage_converges(scenario: IngestScenario, point: str) -> None:
    kill_then_retry(scenario, point).check_whole_or_nothing()


@pytest.mark.parametrize("seed", range(5))
def test_an_ingest_killed_at_random_converges(scenario: IngestScenario, seed: int) -> None:
    kill_at_random_then_retry(scenario, seed, longest=0.6).check_whole_or_nothing()


@pytest.mark.parametrize("where", HALFWAY)
def test_an_ingest_killed_while_its_rows_are_on_their_way_leaves_nothing_and_converges(
    scenario: IngestScenario, where: str
) -> None:
    assert run(scenario, sabotage=where).code == -signal.SIGKILL
    assert scenario.visible() is None
    assert [list(work.iterdir()) for work in scenario.folder.glob("work-*")] == [[]]
    assert run(scenario) == Ended(0)
    assert scenario.visible() is not None
    assert scenario.commits() == 1


def test_what_a_killed_ingest_left_is_swept_and_the_partition_stays(
    scenario: IngestScenario,
) -> None:
    kill_then_retry(scenario, "checksum:before")
    whole = scenario.visible()
    lake = Lake(scenario.settings())
    later = datetime.now(UTC) + timedelta(days=1)
    swept = [
        sweep(lake, name, lambda _: scenario.key, later).files
        for name in ("events", "events__quarantine")
    ]
    assert swept == [1, 1]
    assert scenario.visible() == whole


def test_without_one_commit_a_partition_a_reader_sees_half(scenario: IngestScenario) -> None:
    """The control of the tests above."""
    assert run(scenario, sabotage="two halves").code == -signal.SIGKILL
    with pytest.raises(AssertionError, match="199 of 398 rows"):
        scenario.visible()


def test_without_asking_what_is_there_a_retry_commits_again(scenario: IngestScenario) -> None:
    """The control of the tests above."""
    assert run(scenario, "verify:before:kill", "not asking").code == -signal.SIGKILL
    assert run(scenario, sabotage="not asking") == Ended(0)
    assert scenario.commits() == 2


@pytest.mark.parametrize("point", UNPUBLISHED)
def test_of_two_overlapping_ingests_one_commits_and_the_other_is_superseded(
    scenario: IngestScenario, point: str
) -> None:
    check_one_wins(scenario, point)


@pytest.mark.parametrize("point", UNPUBLISHED[-2:])
def test_a_stale_ingest_does_not_put_old_rows_over_new_ones(
    scenario: IngestScenario, point: str
) -> None:
    """The first has read the file before it was corrected, and wakes when all is done."""
    paused, _ = overlap(scenario, point, meanwhile=lambda: scenario.write_source(offset=5))
    assert paused.error.startswith("SupersededError: superseded by attempt 2")
    assert scenario.first_value() == 5


def test_without_the_fence_it_does(scenario: IngestScenario) -> None:
    """The control of the tests above."""
    paused, _ = overlap(
        scenario,
        "publish:before",
        "no fence",
        meanwhile=lambda: scenario.write_source(offset=5),
    )
    assert paused == Ended(0)
    assert scenario.first_value() == 0
    assert scenario.commits() == 2


def _sleep_while_another_finds_its_rows_public(
    scenario: IngestScenario, sabotage: str = ""
) -> tuple[Ended, Ended]:
    """The source was wrong for a moment: who read it then sleeps, the next finds the day as it should be."""
    assert run(scenario) == Ended(0)
    scenario.write_source(offset=5)
    return overlap(
        scenario,
        "publish:before",
        sabotage,
        meanwhile=lambda: scenario.write_source(offset=0),
    )


def test_an_ingest_with_nothing_to_do_still_shuts_out_an_older_one(
    scenario: IngestScenario,
) -> None:
    paused, other = _sleep_while_another_finds_its_rows_public(scenario)
    assert other == Ended(0)
    assert paused.error.startswith("SupersededError: superseded by attempt 3")
    assert scenario.first_value() == 0
    assert scenario.visible() is not None
    assert scenario.commits() == 1


def test_without_its_token_in_the_log_the_older_one_puts_its_rows_over(
    scenario: IngestScenario,
) -> None:
    """The control of the test above."""
    paused, other = _sleep_while_another_finds_its_rows_public(scenario, "no token")
    assert (paused, other) == (Ended(0), Ended(0))
    assert scenario.first_value() == 5
