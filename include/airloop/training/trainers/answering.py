"""Whether an estimator of scikit-learn can answer what a model declares: most know once they are fitted, and a few rows are enough."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from airloop.errors import SpecError
from airloop.plugins.trainer import OutputKind
from airloop.registry.loader import vectors_of
from airloop.training.trainer import FitJob


def answering(job: FitJob, estimator: Any) -> Any:
    """The fitted estimator, unless it cannot answer what the model declares.

    :raises SpecError: if it has no probabilities, no classes, or not so many numbers
    """
    for what, remedy in _lacking(job, estimator):
        kind = type(last_step(estimator)[1]).__name__
        raise SpecError(what, value=kind, where=where_of(job), remedy=remedy)
    return estimator


def _lacking(job: FitJob, estimator: Any) -> Iterator[tuple[str, str]]:
    from sklearn.base import is_classifier

    output = job.outputs[0]
    probable = output.kind in {OutputKind.PROBABILITY, OutputKind.CLASSES}
    if probable and not hasattr(estimator, "predict_proba"):
        names = ", ".join(output.names if output.shape else ("no", "yes"))
        way = f"declare outputs: {{labels: [{names}]}}, the class itself"
        yield (
            "the estimator answers no probabilities",
            f"wrap it in CalibratedClassifierCV, or {way}",
        )
    if output.kind is OutputKind.LABELS and not is_classifier(estimator):
        yield "the estimator answers no classes", "return a classifier of scikit-learn"
    if output.kind is OutputKind.VECTOR:
        if not (hasattr(estimator, "predict") or hasattr(estimator, "transform")):
            yield "the estimator answers no vectors", "return one with predict or transform"
            return
        made = vectors_of(estimator)(job.features.head(1))
        if np.shape(made)[1:] != output.shape:
            told = "a number" if np.ndim(made) < 2 else f"{np.shape(made)[1]} numbers"
            wanted = f"the model declares a vector of {len(output.names)}"
            yield (
                f"the estimator answers {told} a row, and {wanted}",
                "set outputs.vector.length, or build one that does",
            )


def check_several(job: FitJob, estimator: Any, error: BaseException) -> None:
    """Whether it is only several numbers that an estimator cannot learn: its tags do not always say.

    :param estimator: as it is built
    :raises SpecError: if it learns the first of them
    """
    try:
        estimator.fit(job.features, np.asarray(job.truth)[:, 0])
    # What fails on one value as well is told as that, by the caller.
    except (Exception, SystemExit):
        return
    raise SpecError(
        "the estimator answers one value a row, and the model declares several",
        value=type(last_step(estimator)[1]).__name__,
        where=where_of(job),
        remedy="build one that learns several, such as RandomForestRegressor, Ridge or MLPRegressor, "
        "or wrap it: sklearn.multioutput.MultiOutputRegressor(...)",
    ) from error


def last_step(estimator: Any) -> tuple[str, Any]:
    """What a pipeline ends with, and the prefix of its parameters; of all else the estimator itself."""
    prefix, last = "", estimator
    while hasattr(last, "steps"):
        name, last = last.steps[-1]
        prefix += f"{name}__"
    return prefix, last


def where_of(job: FitJob) -> str:
    """Where the estimator comes from."""
    return f"{job.model.module}.{job.model.training.build}"
