"""What a training is fitted with: the parameters that were found for the model, or the algorithm that won."""

from __future__ import annotations

from airloop.data.snapshot import Split
from airloop.ledger import Ledger
from airloop.settings import Settings
from airloop.specs.model import ModelSpec
from airloop.training.run import TrainingRun
from airloop.training.trainer import FitPlace
from airloop.training.validation import with_training
from airloop.vocabulary import Action, Topic

#: The figure that names the algorithm which won; no algorithm's own name has a dot.
ALGORITHM = "algorithm.chosen"


def settle(
    run: TrainingRun, rows: Split, place: FitPlace, day: str
) -> tuple[ModelSpec, dict[str, float]]:
    """The model with the parameters that were found for it, or the algorithm that won; and the winners' figures.

    :param day: the last of the snapshot
    """
    model = run.model
    if model.tuning is not None:
        return tuned(model, run.settings, run.ledger, run.study, day), {}
    if not model.algorithms:
        return model, {}
    from airloop.training.choice import choose

    choice = choose(model, run.dataset, rows, run.params or {}, place)
    figures = {name: score for name, score in choice.scores.items() if score is not None}
    run.ledger.record_decision(
        entity=model.name,
        topic=Topic.ALGORITHM,
        action=Action.CHOSEN,
        reason=choice.reason,
        figures={**figures, ALGORITHM: choice.name},
        id=f"algorithm:{run.fence.key}:{run.fence.token}",
    )
    return choice.model, {f"choice_{name}": score for name, score in figures.items()}


def tuned(
    model: ModelSpec, settings: Settings, ledger: Ledger, study: str | None, day: str
) -> ModelSpec:
    """The model with the best parameters that are known; a study that has run is concluded first.

    :param day: the last of the snapshot
    """
    if model.tuning is None:
        return model
    from airloop.training.tuning import policy

    if study is not None:
        from airloop.training.tuning.conclusion import conclude

        conclude(settings, ledger, model, study, day)
    best = policy.known(ledger, model)
    return with_training(model, params={**model.training.params, **best})
