"""What a training is fitted with: the parameters that were found for the model, or the algorithm that won."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airloop.contracts import Fence
from airloop.data.snapshot import Split
from airloop.execution.context import StepContext
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec
from airloop.training.trainer import Place
from airloop.training.validation import with_training
from airloop.vocabulary import Action, Topic

#: The figure that names the algorithm which won; no algorithm's own name has a dot.
ALGORITHM = "algorithm.chosen"


def settled(
    model: ModelSpec,
    dataset: DatasetSpec,
    rows: Split,
    context: StepContext,
    *,
    fence: Fence,
    params: Mapping[str, Any],
    study: str | None,
    place: Place,
    day: str,
) -> tuple[ModelSpec, dict[str, float]]:
    """The model with the parameters that were found for it, or the algorithm that won; and the winners' figures.

    :param params: of this run
    :param study: the search that ran before
    :param day: the last of the snapshot
    """
    if model.tuning is not None:
        return tuned(model, context, study, day), {}
    if not model.algorithms:
        return model, {}
    from airloop.training.choice import choose

    choice = choose(model, dataset, rows, params, place)
    figures = {name: score for name, score in choice.scores.items() if score is not None}
    context.ledger.record_decision(
        entity=model.name,
        topic=Topic.ALGORITHM,
        action=Action.CHOSEN,
        reason=choice.reason,
        figures={**figures, ALGORITHM: choice.name},
        id=f"algorithm:{fence.key}:{fence.token}",
    )
    return choice.model, {f"choice_{name}": score for name, score in figures.items()}


def tuned(model: ModelSpec, context: StepContext, study: str | None, day: str) -> ModelSpec:
    """The model with the best parameters that are known; a study that has run is concluded first.

    :param day: the last of the snapshot
    """
    if model.tuning is None:
        return model
    from airloop.training.tuning import policy

    if study is not None:
        from airloop.training.tuning.conclusion import conclude

        conclude(context.settings, context.ledger, model, study, day)
    best = policy.known(context.ledger, model)
    return with_training(model, params={**model.training.params, **best})
