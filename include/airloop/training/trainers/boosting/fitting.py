"""How a booster is fitted: what ``build`` returned is looked at before, and opened from its own bytes after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from airloop.errors import AirloopError, DataError
from airloop.plugins.trainer import Output
from airloop.registry.formats.boosters.model import FILES, Boosted, boosted, columns, learned
from airloop.training.trainer import FitJob
from airloop.training.trainers import scikit
from airloop.training.trainers.answering import where_of
from airloop.training.trainers.boosting.checks import checked, divided
from airloop.training.trainers.boosting.libraries import Library

#: Of the training rows, drawn by the seed, where the user asked to stop early; scikit-learn's own boosting holds as many.
VALIDATION: Final = 0.1


def fit(job: FitJob, library: Library) -> Boosted:
    """Build and fit it.

    :raises SpecError: if what ``build`` returns could not be stored, or a parameter of the spec does not suit it
    :raises RequestError: if one of the run's does not
    """
    estimator = checked(job, library)
    with failures(job):
        return _fitted(job, library, estimator)


@contextmanager
def failures(job: FitJob) -> Iterator[None]:
    """Tell of a fit that fails.

    :raises SpecError: if a parameter of the spec does not suit
    :raises RequestError: if one of the run's does not
    """
    try:
        yield
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


def _fitted(job: FitJob, library: Library, estimator: Any) -> Boosted:
    head, last = divided(estimator)
    output = job.outputs[0]
    (own_target,), places = target(job, job.truth.to_numpy())
    train, held = _parts(job, own_target, stops_early(library, last))
    rows = job.features.iloc[train]
    if head is not None:
        rows = columns(head.fit_transform(rows, own_target[train]))
        head = scikit.without_indices(head)
    weights = job.weights
    more = {} if weights is None else {"sample_weight": weights[train]}
    valid = None
    if len(held):
        valid = job.features.iloc[held]
        valid = valid if head is None else columns(head.transform(valid))
    contents = []
    for place, own in enumerate(targets(library, output, own_target)):
        if valid is not None:
            told = None if weights is None else weights[held]
            more |= library.validation(valid, own[held], told)
        one, fixed = aimed(library, last, job, place, len(places))
        one.fit(rows, own[train], **fixed, **more)
        contents.append(library.content(library.native(one)))
    return boosted(library.name, head, b"".join(contents), where_of(job), output, places)


def stops_early(library: Library, last: Any) -> bool:
    """Whether the user's booster ends a fit by rows that it does not learn from."""
    params = last.get_params()
    return any(params.get(name) is not None for name in library.early)


def target(job: FitJob, *truths: Any) -> tuple[list[Any], Any]:
    """What is learned of each of some rows' truths, and the places of the numbers that will be answered.

    A class is its place among those that are there.

    :raises DataError: if that is one alone
    """
    names = len(job.outputs[0].names)
    if job.model.task != "classification":
        return list(truths), np.arange(names)
    told = [one.astype(int) for one in truths]
    if not job.outputs[0].of_classes:
        return told, np.arange(names)
    places = np.unique(np.concatenate([np.unique(one) for one in told]))
    if len(places) < 2:
        name = job.outputs[0].names[places[0]]
        raise DataError("every training row has the same label", value=name, where=job.model.name)
    return [np.searchsorted(places, one) for one in told], places


def targets(library: Library, output: Output, own: Any) -> list[Any]:
    """The target of each model that is fitted."""
    if learned(output, len(output.names))[0] not in library.apart:
        return [own]
    return list(own.T) if output.apart else [own] * len(output.names)


def aimed(library: Library, last: Any, job: FitJob, place: int, count: int) -> tuple[Any, Any]:
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
