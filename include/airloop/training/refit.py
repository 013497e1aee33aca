"""The refit: the judged model's code, spec, parameters and seed on the whole window, held-out days included.

Beside it a fit of the same kind tells by how much such days move a model's answers: another seed, and the window without as many
days before the held-out ones. It is thrown away.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from airloop.contracts import DatasetRef
from airloop.data.known import newest_rows
from airloop.data.snapshot import Days, Part, Split
from airloop.errors import DataError, SupersededError, TransientError
from airloop.evaluation.blocks import blocks_of
from airloop.evaluation.refit import Answered, Natural, natural
from airloop.registry import tracking
from airloop.specs.model import ModelSpec
from airloop.training.fitted import Fitted, fit
from airloop.training.package import Package
from airloop.training.package import pack as write_package
from airloop.training.run import TrainingRun
from airloop.training.validation import with_training

log = logging.getLogger("airloop.train")


@dataclass(frozen=True)
class Refit:
    """The refitted artifact, and what change is natural; None where nobody could tell."""

    package: Package
    natural: Natural | None

    @property
    def figures(self) -> dict[str, float]:
        """For the run."""
        told = {"refit_seconds": self.package.served.seconds}
        return told if self.natural is None else told | self.natural.figures


def refit(
    run: TrainingRun,
    model: ModelSpec,
    rows: Split,
    days: Days,
    judged: Package,
    folder: Path,
    ref: DatasetRef,
) -> Refit:
    """Fit again, and write the artifact into ``folder/refit``.

    :param model: as it was settled for the judged fit
    :param days: the window
    :param ref: the rows
    """
    place = run.place(ref.digest)

    def fitted(name: str, spec: ModelSpec, on: Split) -> Fitted:
        # A checkpoint of its own: a killed run goes on in the fit that it was killed in.
        apart = replace(
            place, store_name=f"{place.store_name}-{name}", data_digest=f"{ref.digest}-{name}"
        )
        return fit(spec, run.dataset, on, run.params, apart)

    whole = everything(rows)
    again = fitted("refit", model, whole)
    package = write_package(
        model,
        run.dataset,
        whole,
        again,
        folder / tracking.REFIT,
        trained_on=days.all,
        as_of=ref.as_of,
        judged=judged,
    )
    log.info("refitted on %d rows", again.training_rows)
    try:
        usual = _natural(run, model, rows.training, days, judged.served, fitted)
    except (TransientError, SupersededError):
        raise
    # This fit is thrown away, and of fewer rows: it fails in every way that a user's code may.
    except Exception as error:
        log.warning("what change is natural cannot be told: %s", error)
        usual = None
    return Refit(package, usual)


def _natural(
    run: TrainingRun,
    model: ModelSpec,
    rows: Part,
    days: Days,
    judged: Fitted,
    fitted: Callable[[str, ModelSpec, Split], Fitted],
) -> Natural:
    """By a fit of the same kind: to the judged one it is what that one is to the refit.

    :raises DataError: if the window is too short for it
    """
    size = len(days.holdout)
    newest = newest_rows(run.dataset, rows.frame, days.training, size)
    before = _part(rows, ~newest)
    keys = days.training[: len(days.training) - min(size, len(days.training) // 2)]
    known = newest_rows(run.dataset, before.frame, keys, size)
    if not newest.any() or not known.any():
        raise DataError("the window is too short to hold days out once more", value=days.training)
    # Asked for the days that both have learned from: as a holdout, which a fit answers.
    asked = _part(before, known)
    other = with_training(model, seed=model.training.seed + 1)
    sibling = fitted("sibling", other, Split(rows.frame, before, asked))
    answered = Answered(
        truth=np.asarray(model.answer.truths(asked.truth), np.float64),
        before=np.asarray(sibling.scores, np.float64),
        after=np.asarray(judged.scorer(model.answers)(sibling.features), np.float64),
        blocks=blocks_of(model, run.dataset, asked.frame),
    )
    return natural(model.goal, answered)


def everything(rows: Split) -> Split:
    """The same rows with the held-out ones among those that are learned from."""
    frame = pd.concat([rows.training.frame, rows.holdout.frame])
    truth = pd.concat([rows.training.truth, rows.holdout.truth])
    unlabelled = rows.training.unlabelled + rows.holdout.unlabelled
    return replace(rows, training=Part(frame, truth, unlabelled))


def _part(part: Part, chosen: npt.NDArray[np.bool_]) -> Part:
    return Part(part.frame[chosen], part.truth[chosen], 0)
