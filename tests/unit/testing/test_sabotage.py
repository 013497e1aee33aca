"""The contracts fail for plug-ins that break them: each promise that one breaks is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from airloop import testing
from tests.support.checkout import ROOT

#: By the sabotaged plug-in, the promises that it breaks.
BROKEN = {
    "TestSourceOfTheNewest": {
        "test_the_same_day_has_the_same_rows",
        "test_a_day_without_rows_is_empty_or_one_clear_error",
    },
    "TestSourceOfNothing": {
        "test_it_has_all_that_its_seam_asks_for",
        "test_its_module_imports_no_heavy_library",
        "test_its_spec_refuses_a_key_that_nobody_knows",
        "test_its_spec_comes_back_from_an_artifact",
        "test_its_spec_cannot_be_changed",
        "test_it_yields_frames_with_rows",
        "test_the_same_day_has_the_same_rows",
        "test_a_day_without_rows_is_empty_or_one_clear_error",
        "test_what_it_needs_of_airflow_is_named_by_variables",
    },
    "TestMetricTheWrongWayRound": {
        "test_a_row_drawn_twice_counts_twice",
        "test_the_truth_itself_is_better_than_its_contrary",
    },
    "TestMetricOfTheFirstRow": {
        "test_its_tasks_are_tasks",
        "test_each_resample_has_its_figure",
        "test_the_order_of_the_rows_means_nothing",
    },
    "TestGateThatAlwaysPasses": {
        "test_a_bad_one_is_refused",
        "test_what_cannot_be_told_is_neither",
        "test_it_says_the_same_again",
    },
    "TestGateThatRefusesAll": {
        "test_a_good_candidate_passes",
        "test_a_bad_one_is_refused",
        "test_what_cannot_be_told_is_neither",
    },
    "TestTrainerThatClaims": {
        "test_it_declares_what_it_can_make",
        "test_it_answers_every_row_with_what_it_declares",
        "test_it_keeps_the_files_that_it_names_and_no_code",
        "test_what_is_opened_answers_as_what_was_stored",
        "test_a_search_can_follow_it",
    },
    "TestTrainerThatPickles": {
        "test_it_has_learned_something",
        "test_the_same_seed_makes_the_same_model",
        "test_it_keeps_the_files_that_it_names_and_no_code",
        "test_what_is_opened_answers_as_what_was_stored",
        "test_a_damaged_file_is_one_clear_error",
    },
    "TestExecutorThatLetsGo": {
        "test_a_step_runs_to_its_end",
        "test_what_runs_is_waited_for_no_longer_than_asked",
    },
    "TestRolloutThatIsTheChampion": {
        "test_its_steps_can_be_answered_by",
        "test_a_bad_version_goes_on_in_no_step",
        "test_it_says_the_same_again",
    },
    "TestRolloutThatAlwaysGoesBack": {
        "test_a_sound_version_goes_on_or_waits_in_each_step",
    },
    "TestAlertThatTells": {
        "test_it_arrives",
        "test_what_is_not_taken_is_said_in_one_line",
    },
    "TestAlertThatShowsItsToken": {
        "test_it_arrives",
        "test_what_is_not_taken_is_said_in_one_line",
        "test_its_spec_shows_no_secret",
    },
    "TestStepOfAnotherShape": {
        "test_it_is_called_as_the_built_in_one_is",
        "test_it_has_no_request_or_result_of_its_own",
    },
}


@pytest.fixture(scope="module")
def failed() -> dict[str, set[str]]:
    """What pytest says of the file, by class."""
    file = Path(__file__).with_name("sabotaged.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rf", "--tb=no", "--no-header", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    found: dict[str, set[str]] = {}
    for line in done.stdout.splitlines():
        if line.startswith("FAILED "):
            _, name, test = line.split(" - ")[0].split("::")
            found.setdefault(name, set()).add(test)
    return found


@pytest.mark.parametrize("name", BROKEN)
def test_each_broken_promise_is_found(name: str, failed: dict[str, set[str]]) -> None:
    assert failed.get(name, set()) == BROKEN[name]


@pytest.mark.parametrize("contract", testing.__all__)
def test_no_promise_of_a_contract_is_one_that_nobody_can_break(contract: str) -> None:
    """Whoever adds a test to a contract shows here that it can fail."""
    promises = {name for name in dir(getattr(testing, contract)) if name.startswith("test_")}
    assert promises
    assert promises <= set().union(*BROKEN.values())
