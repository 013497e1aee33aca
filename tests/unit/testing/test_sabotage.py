"""The contracts fail for plug-ins that break them: each promise that one breaks is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.checkout import ROOT

#: By the sabotaged plug-in, the promises that it breaks.
BROKEN = {
    "TestSourceOfTheNewest": {
        "test_the_same_day_has_the_same_rows",
        "test_a_day_without_rows_is_empty_or_one_clear_error",
    },
    "TestMetricTheWrongWayRound": {
        "test_a_row_drawn_twice_counts_twice",
        "test_the_truth_itself_is_better_than_its_contrary",
    },
    "TestGateThatAlwaysPasses": {
        "test_a_bad_one_is_refused",
        "test_what_cannot_be_told_is_neither",
        "test_it_says_the_same_again",
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
    "TestAlertThatTells": {
        "test_it_arrives",
        "test_what_is_not_taken_is_said_in_one_line",
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
    # A class inside a fixture lives in this test's module, whose own imports are not light: not the plug-in's fault.
    assert failed.get(name, set()) - {"test_its_module_imports_no_heavy_library"} == BROKEN[name]
