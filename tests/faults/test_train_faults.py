"""Training and registration under kill -9 and SIGSTOP, in a real MLflow on SQLite."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from airloop.registry import tracking
from airloop.settings import Settings
from tests.faults.delivering import MODEL
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
from tests.faults.training import RegisterScenario, TrainScenario


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new MLflow database: making one takes seconds, a copy none."""
    path = tmp_path_factory.mktemp("registry") / "mlflow.db"
    tracking.client(Settings(mlflow_uri=f"sqlite:///{path}")).create_registered_model(MODEL)
    return path


@pytest.fixture
def folder(tmp_path: Path, mlflow: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path / "home"))
    shutil.copy(mlflow, tmp_path / "mlflow.db")
    return tmp_path


@pytest.fixture
def training(folder: Path) -> TrainScenario:
    scenario = TrainScenario(folder)
    scenario.ledger()
    return scenario


@pytest.fixture
def registration(folder: Path) -> RegisterScenario:
    scenario = RegisterScenario(folder).prepare()
    scenario.ledger()
    return scenario


@pytest.mark.parametrize("point", POINTS)
def test_a_training_killed_at_any_stage_converges(training: TrainScenario, point: str) -> None:
    kill_then_retry(training, point).check_whole_or_nothing()


@pytest.mark.parametrize("seed", range(3))
def test_a_training_killed_at_random_converges(training: TrainScenario, seed: int) -> None:
    kill_at_random_then_retry(training, seed, longest=0.6).check_whole_or_nothing()


def test_were_the_run_named_before_its_files_a_reader_would_find_none(
    training: TrainScenario,
) -> None:
    """The control of the tests above."""
    assert run(training, "stage:after:kill", "named first").code == -signal.SIGKILL
    with pytest.raises(AssertionError, match="manifest is not the recorded one"):
        training.visible()


@pytest.mark.parametrize("point", UNPUBLISHED)
def test_of_two_overlapping_trainings_one_commits_and_the_other_is_superseded(
    training: TrainScenario, point: str
) -> None:
    check_one_wins(training, point)


@pytest.mark.parametrize("point", POINTS)
def test_a_registration_killed_at_any_stage_converges(
    registration: RegisterScenario, point: str
) -> None:
    reader = kill_then_retry(registration, point)
    assert reader.torn == []
    steps = [None, (1, 0), (1, 1)]
    assert [state for state in steps if state in reader.seen] == reader.seen
    assert reader.seen[-1] == (1, 1)


@pytest.mark.parametrize("seed", range(3))
def test_a_registration_killed_at_random_converges(
    registration: RegisterScenario, seed: int
) -> None:
    reader = kill_at_random_then_retry(registration, seed, longest=0.4)
    assert reader.torn == []
    assert reader.seen[-1] == (1, 1)


def test_without_asking_for_the_runs_version_a_retry_makes_another(
    registration: RegisterScenario,
) -> None:
    """The control of the tests above."""
    assert run(registration, "verify:before:kill", "not asking").code == -signal.SIGKILL
    assert run(registration, sabotage="not asking") == Ended(0)
    assert registration.commits() == 2


@pytest.mark.parametrize("point", UNPUBLISHED)
def test_of_two_overlapping_registrations_one_commits_and_the_other_is_superseded(
    registration: RegisterScenario, point: str
) -> None:
    check_one_wins(registration, point)


def test_without_the_fence_a_stale_registration_reports_success(
    registration: RegisterScenario,
) -> None:
    """The control of the test above."""
    paused, _ = overlap(registration, "checksum:after", "no fence")
    assert paused == Ended(0)


def test_without_the_fence_a_training_still_loses_to_the_row_with_its_key(
    training: TrainScenario,
) -> None:
    paused, _ = overlap(training, "checksum:after", "no fence")
    assert paused.error.startswith("SupersededError: superseded by another attempt's candidate")
    assert training.commits() == 1


def test_without_fence_and_key_both_trainings_are_candidates(training: TrainScenario) -> None:
    """The control of the tests above."""
    overlap(training, "checksum:after", "no fence, no key")
    assert training.commits() == 2
