"""Estimators of scikit-learn that go on where they stopped: a search looks at them on the way."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from airloop.training.trainer import FitJob
from airloop.training.trainers import scikit
from airloop.training.trainers.answering import last_step

#: Which they are, and the parameter that says how far.
_GROWING = {
    "HistGradientBoostingClassifier": "max_iter",
    "HistGradientBoostingRegressor": "max_iter",
    "GradientBoostingClassifier": "n_estimators",
    "GradientBoostingRegressor": "n_estimators",
    "RandomForestClassifier": "n_estimators",
    "RandomForestRegressor": "n_estimators",
    "ExtraTreesClassifier": "n_estimators",
    "ExtraTreesRegressor": "n_estimators",
}


def grow(job: FitJob, rungs: int) -> Iterator[tuple[float, Any]]:
    """The share of the whole fit done so far, and the estimator then."""
    estimator = scikit.build(job)
    grown = None if job.outputs[0].levels else growing(estimator)
    if grown is None:
        yield 1.0, scikit.fit(job)
        return
    length, warm = grown
    total = int(estimator.get_params()[length])
    for step in sorted({math.ceil(total * rung / rungs) for rung in range(1, rungs + 1)}):
        estimator.set_params(**{length: step, warm: True})
        scikit.fit_estimator(job, estimator)
        yield step / total, estimator


def growing(estimator: Any) -> tuple[str, str] | None:
    """The parameters for length and warm start of an estimator that can go on where it stopped, or its last step."""
    prefix, last = last_step(estimator)
    length = _GROWING.get(type(last).__name__)
    if length is None or not type(last).__module__.startswith("sklearn."):
        return None
    return f"{prefix}{length}", f"{prefix}warm_start"
