"""What a study found, written into the ledger once its trials have run."""

from __future__ import annotations

import json
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from airloop.contracts import Decision
from airloop.errors import SpecError
from airloop.ledger import Ledger
from airloop.registry import tracking
from airloop.settings import Settings
from airloop.specs.model import ModelSpec
from airloop.training.tuning import policy
from airloop.training.tuning.study import metric_of, open_study
from airloop.training.tuning.trials import RUN
from airloop.vocabulary import Action, Topic


def conclude(
    settings: Settings, ledger: Ledger, model: ModelSpec, study_name: str, day: str
) -> Decision:
    """Record the best parameters under the study's name; asked again, the first answer stays.

    :param day: the last day of the data that the trials saw
    :raises SpecError: if no trial came to its end
    """
    identity = f"{Topic.TUNING}:{study_name}"
    if found := ledger.decision(identity):
        return found
    study = open_study(settings, model, study_name, seed=0)
    trials = study.get_trials(deepcopy=False)
    counts = {state: sum(trial.state == state for trial in trials) for state in TrialState}
    if not counts[TrialState.COMPLETE]:
        raise _none_ended(model, trials)
    best, name = study.best_trial, metric_of(model)
    decision = ledger.record_decision(
        entity=model.name,
        topic=Topic.TUNING,
        action=Action.TUNED,
        reason=f"{name} {best.value:.4f} in trial {best.number} of {len(trials)}: {best.params}",
        figures={
            "params": json.dumps(best.params),
            "space": policy.space_digest(model),
            "day": day,
            name: best.value,
            "trials": len(trials),
            "pruned": counts[TrialState.PRUNED],
            "failed": counts[TrialState.FAIL],
            "run_id": study.user_attrs.get(RUN),
        },
        id=identity,
    )
    _close(settings, str(study.user_attrs[RUN]), decision)
    return decision


def _none_ended(model: ModelSpec, trials: Sequence[FrozenTrial]) -> SpecError:
    failures = [trial.user_attrs["failure"] for trial in trials if "failure" in trial.user_attrs]
    return SpecError(
        f"none of {len(trials)} trials came to its end: {failures[0] if failures else 'killed'}",
        where=f"config/models/{model.name}.yaml, key tuning.space",
    )


def _close(settings: Settings, run_id: str, decision: Decision) -> None:
    client = tracking.client(settings)
    with tracking.reaching(settings):
        client.set_tag(run_id, "airloop.best", decision.reason[:5_000])
        client.set_terminated(run_id)
