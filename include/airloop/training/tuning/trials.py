"""A worker's share of a study: so many trials, each an MLflow run under the study's."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from airloop.data.snapshot import Split
from airloop.errors import SupersededError, TransientError
from airloop.registry import runs, tracking
from airloop.settings import Settings
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec
from airloop.training.tuning.objective import Objective
from airloop.training.tuning.study import metric_of, open_study, tuning_of

log = logging.getLogger("airloop.tuning")

#: On a trial: which worker ran it.
WORKER = "worker"
#: On a study: its MLflow run.
RUN = "mlflow_run"
#: Which run another one is part of: MLflow's own tag.
PARENT = "mlflow.parentRunId"
_STATUS = {TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "KILLED"}


class TrialFailedError(Exception):
    """One trial failed; the study goes on."""


def work(
    settings: Settings,
    model: ModelSpec,
    dataset: DatasetSpec,
    rows: Split,
    *,
    study_name: str,
    worker: int,
    share: int,
    params: dict[str, Any],
    workdir: Path,
    still_wanted: Callable[[], None],
) -> int:
    """Run what is left of a share: an attempt that was killed is not repeated, it is gone on with.

    :param still_wanted: raises if a newer attempt began; asked before each trial
    :returns: how many trials this attempt ran
    """
    seed = tuning_of(model).seed
    study = open_study(settings, model, study_name, seed=seed)
    done = _settle(study, worker)
    if done >= share:
        return 0
    # A sampler that starts over with the same seed would propose what it proposed before.
    study.sampler = optuna.samplers.TPESampler(seed=seed + 1_000 * worker + done)
    objective = Objective(model, dataset, rows, params, workdir)
    journal = Journal(settings, model, study)

    def run(trial: optuna.Trial) -> float:
        still_wanted()
        trial.set_user_attr(WORKER, worker)
        return _tried(objective, trial)

    study.optimize(run, n_trials=share - done, catch=(TrialFailedError,), callbacks=[journal.write])
    return share - done


def _tried(objective: Objective, trial: optuna.Trial) -> float:
    """The trial's score.

    :raises TrialFailedError: if the trial failed, and nothing else did
    """
    try:
        return objective(trial)
    except (optuna.TrialPruned, SupersededError, TransientError):
        raise
    # A user's build() and a library may raise anything: that is this trial's failure alone.
    except Exception as error:
        trial.set_user_attr("failure", f"{type(error).__name__}: {error}"[:500])
        log.warning("trial %d failed", trial.number, exc_info=True)
        raise TrialFailedError from error


def _settle(study: optuna.Study, worker: int) -> int:
    """Close what a killed attempt of this worker left running; returns how many trials it has behind it."""
    mine = [
        trial
        for trial in study.get_trials(deepcopy=False)
        if trial.user_attrs.get(WORKER) == worker
    ]
    for trial in mine:
        if trial.state == TrialState.RUNNING:
            study.tell(trial.number, state=TrialState.FAIL)
    return len(mine)


class Journal:
    """Writes each trial down as an MLflow run."""

    def __init__(self, settings: Settings, model: ModelSpec, study: optuna.Study) -> None:
        self.settings, self.model = settings, model
        self.client = tracking.client(settings)
        self.parent = str(study.user_attrs[RUN])
        with tracking.reaching(settings):
            self.experiment = runs.experiment(self.client, model.name)

    def write(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """One finished trial."""
        from mlflow.entities import Metric, Param

        name = metric_of(self.model)
        at = int((trial.datetime_complete or trial.datetime_start).timestamp() * 1000)  # type: ignore[union-attr]
        values = {
            step: value for step, value in trial.intermediate_values.items() if value == value
        }
        tags = {
            PARENT: self.parent,
            "airloop.study": study.study_name,
            "airloop.trial": str(trial.number),
            "airloop.trial_state": trial.state.name.lower(),
            "airloop.failure": str(trial.user_attrs.get("failure", "")),
        }
        with tracking.reaching(self.settings):
            run = self.client.create_run(
                self.experiment, run_name=f"trial {trial.number}", tags=tags
            )
            self.client.log_batch(
                run.info.run_id,
                metrics=[Metric(name, value, at, step) for step, value in values.items()],
                params=[Param(key, str(value)) for key, value in trial.params.items()],
            )
            self.client.set_terminated(run.info.run_id, _STATUS.get(trial.state, "FAILED"))
        log.info("trial %d: %s %s", trial.number, trial.state.name.lower(), trial.value)
