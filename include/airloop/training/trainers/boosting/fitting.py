"""How a booster is fitted: what ``build`` returned is looked at before, and opened from its own bytes after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from airloop.errors import AirloopError, DataError, SpecError
from airloop.plugins.trainer import Output
from airloop.registry.formats.boosters.model import FILES, Boosted, boosted, columns, learned
from airloop.training.trainer import FitJob
from airloop.training.trainers import scikit
from airloop.training.trainers.answering import where_of
from airloop.training.trainers.boosting.libraries import Library

#: Of the training rows, drawn by the seed, where the user asked to stop early; scikit-learn's own boosting holds as many.
VALIDATION: Final = 0.1
_LOST: Final = ", so it could never be loaded"
_LEVELS: Final = "the levels stand in outputs.quantiles"


def fit(job: FitJob, library: Library) -> Boosted:
    """Build and fit it.

    :raises SpecError: if what ``build`` returns could not be stored, or a parameter of the spec does not suit it
    :raises RequestError: if one of the run's does not
    """
    estimator = checked(job, library)
    try:
        return _fitted(job, library, estimator)
    except (AirloopError, MemoryError, OSError):
        raise
    except Exception as error:  # each library has errors of its own
        raise scikit.kind_of(job)(
            "the estimator could not be fitted",
            value=f"{type(error).__name__}: {str(error)[:500]}",
            where=where_of(job),
        ) from error


def rehearse(job: FitJob, library: Library) -> None:
    """Build it, look whether it can be stored, and fit and store it on a few rows.

    :raises SpecError: if it could not be stored
    :raises DataError: if it could not be fitted on these rows
    """
    head, _ = divided(checked(job, library))
    if len(job.features):
        try:
            head = fit(job, library).head
        except (Exception, SystemExit) as error:
            raise scikit.unfitted(job, error) from error
    if head is not None:
        with TemporaryDirectory() as scratch:
            scikit.save(head, Path(scratch))


def save(model: Boosted, folder: Path) -> None:
    """Write the booster's file, and ``model.skops`` for the steps before it.

    :raises SpecError: if a step is of a type that the loader would refuse
    """
    (folder / FILES[model.library][0]).write_bytes(model.content)
    if model.head is not None:
        scikit.save(model.head, folder)


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


def _fitted(job: FitJob, library: Library, estimator: Any) -> Boosted:
    head, last = divided(estimator)
    output = job.outputs[0]
    target, places = _target(job)
    params = last.get_params()
    train, held = _parts(job, target, any(params.get(name) is not None for name in library.early))
    rows = job.features.iloc[train]
    if head is not None:
        rows = columns(head.fit_transform(rows, target[train]))
        head = scikit.without_indices(head)
    weights = job.weights
    more = {} if weights is None else {"sample_weight": weights[train]}
    valid = None
    if len(held):
        valid = job.features.iloc[held]
        valid = valid if head is None else columns(head.transform(valid))
    contents = []
    for place, own in enumerate(_targets(library, output, target)):
        if valid is not None:
            told = None if weights is None else weights[held]
            more |= library.validation(valid, own[held], told)
        one, fixed = _aimed(library, last, job, place, len(places))
        one.fit(rows, own[train], **fixed, **more)
        contents.append(library.dump(one))
    return boosted(library.name, head, b"".join(contents), where_of(job), output, places)


def _target(job: FitJob) -> tuple[Any, Any]:
    """What is learned, and the places of the numbers that will be answered; a class is its place among those that are there."""
    truth = job.truth.to_numpy()
    names = len(job.outputs[0].names)
    if job.model.task != "classification":
        return truth, np.arange(names)
    if not job.outputs[0].of_classes:
        return truth.astype(int), np.arange(names)
    places, target = np.unique(truth.astype(int), return_inverse=True)
    if len(places) < 2:
        name = job.outputs[0].names[places[0]]
        raise DataError("every training row has the same label", value=name, where=job.model.name)
    return target, places


def _targets(library: Library, output: Output, target: Any) -> list[Any]:
    """The target of each model that is fitted."""
    if learned(output, len(output.names))[0] not in library.apart:
        return [target]
    return list(target.T) if output.apart else [target] * len(output.names)


def _aimed(library: Library, last: Any, job: FitJob, place: int, count: int) -> tuple[Any, Any]:
    """The booster with all that it was not told, and what its ``fit`` wants to be given.

    :param place: of the number that it is fitted for, of who fits each apart
    :param count: of the numbers that the model will answer
    """
    output, params = job.outputs[0], last.get_params()
    fixed = {name: params.pop(name) for name in library.of_fit if name in params}
    aim = library.aim(output, place)
    # Of fewer classes than the user's loss was meant for the library takes the one that suits.
    if aim or count < len(output.names):
        params = {name: value for name, value in params.items() if name not in library.loss}
    settings = library.settings(params, job.model.training.seed)
    return type(last)(**(params | settings | aim)), fixed


def _parts(job: FitJob, target: Any, early: bool) -> tuple[Any, Any]:
    """The places of the rows to learn from, and of those that say when to stop."""
    from sklearn.model_selection import train_test_split

    places = np.arange(len(target))
    if not early:
        return places, places[:0]
    classes = target if job.model.task == "classification" else None
    train, held = train_test_split(
        places, test_size=VALIDATION, random_state=job.model.training.seed, stratify=classes
    )
    return train, held
