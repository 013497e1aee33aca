"""What a user's ``build`` returned, looked at before it is fitted: whether a booster could be stored, and why not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from airloop.errors import SpecError
from airloop.plugins.trainer import Output
from airloop.registry.formats.boosters.model import learned
from airloop.training.trainer import FitJob
from airloop.training.trainers import scikit
from airloop.training.trainers.answering import where_of
from airloop.training.trainers.boosting.libraries import Library

_LOST: Final = ", so it could never be loaded"
_LEVELS: Final = "the levels stand in outputs.quantiles"


def checked(job: FitJob, library: Library) -> Any:
    """What ``build`` returned, where it can be stored.

    :raises SpecError: if it cannot, naming what can
    """
    estimator = scikit.seeded(job, job.params)
    head, last = divided(estimator)
    known = library.estimators[job.model.task]
    if type(last).__name__ not in known or not type(last).__module__.startswith(
        f"{library.package}."
    ):
        raise _refused(
            job,
            f"trainer {library.package} keeps {' and '.join(sorted(known))} for a {job.model.task}",
            type(last).__name__,
            "return one of them, alone or as the last step of a Pipeline",
        )
    params = last.get_params()
    for what, value, remedy in _reasons(library, job, params, type(last)().get_params()):
        raise _refused(job, what, value, remedy)
    texts = [name for name in job.features if job.features[name].dtype == object]
    if head is None and texts and not (library.categorical and params.get(library.categorical)):
        way = "put a ColumnTransformer with an encoder before it"
        raise _refused(
            job,
            f"{library.name} by itself takes no texts",
            texts[0],
            f"name them in {library.categorical}, or {way}" if library.categorical else way,
        )
    return estimator


def _reasons(
    library: Library, job: FitJob, params: dict[str, Any], unsaid: dict[str, Any]
) -> Iterator[tuple[str, Any, str]]:
    """Why a model with these parameters could not be stored, or would be opened as another one.

    :param unsaid: what they are where nobody said anything
    """
    output = job.outputs[0]
    losses = sorted(library.losses[learned(output, len(output.names))[0]])
    for name, value in params.items():
        if not _plain(value):
            early = f"; to stop early set {library.early[0]}"
            remedy = f"use what {library.name} brings: {', '.join(losses)}{early}"
            yield f"{name} is code, which is never stored{_LOST}", repr(value)[:80], remedy
    for name in library.loss:
        value = params.get(name)
        if value is not None and value != unsaid.get(name):
            yield from _loss(output, value, losses)
    if output.levels and library.levels and params.get(library.levels) is not None:
        told = f"{library.levels}={params[library.levels]}"
        yield _LEVELS, told, f"leave {library.levels} out"
    for name, valid in library.only.items():
        if params.get(name) is not None and params[name] not in valid:
            what = f"{library.name} models with this {name} are not stored{_LOST}"
            remedy = f"use one of {', '.join(map(str, valid))}" if valid else "leave it out"
            yield what, params[name], remedy
    missing = params.get("missing", np.nan)
    if missing is not None and not np.isnan(missing):
        yield "a missing value is NaN", missing, "leave `missing` out"


def _loss(output: Output, value: Any, losses: list[str]) -> Iterator[tuple[str, Any, str]]:
    # CatBoost's have parameters behind a colon.
    name, colon, _ = str(value).partition(":")
    if {str(value), name}.isdisjoint(losses):
        what = f"no model of {output.told} is stored that minimises this{_LOST}"
        yield what, value, f"use one of {', '.join(losses)}, or leave it out"
    elif output.levels and colon and str(value) not in losses:
        yield _LEVELS, value, f"use {name}, or leave it out"


def _plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_plain(one) for one in value.values())
    if isinstance(value, list | tuple | set):
        return all(_plain(one) for one in value)
    return value is None or isinstance(value, bool | int | float | str | np.generic | np.ndarray)


def _refused(job: FitJob, what: str, value: Any, remedy: str) -> SpecError:
    return SpecError(what, value=value, where=where_of(job), remedy=remedy)


def divided(estimator: Any) -> tuple[Any, Any]:
    """The steps before the booster as one pipeline, None without any, and the booster."""
    from sklearn.pipeline import make_pipeline

    steps: list[Any] = []
    last = estimator
    while hasattr(last, "steps"):
        steps += [step for _, step in last.steps[:-1]]
        last = last.steps[-1][1]
    return (make_pipeline(*steps) if steps else None), last
