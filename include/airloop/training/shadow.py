"""Shadow candidates: fitted as a candidate of tonight would be, compared with the champion, and thrown away.

No packing, no gates, no registration: what is left of a training is the fit, and the answer to one question, by how
much today's data make a better model, on days from which neither learned.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from airloop.data.lake.lake import Lake
from airloop.data.needed import asked_by
from airloop.data.rows import rows_in
from airloop.data.snapshot import choose_days
from airloop.data.streamed_split import divided
from airloop.errors import DataError
from airloop.evaluation.blocks import blocks_of
from airloop.evaluation.comparison import compare
from airloop.evaluation.metrics import Floats
from airloop.evaluation.twins import impartial
from airloop.policy.findings import PairedGain
from airloop.registry.loaded import LoadedModel
from airloop.specs import DatasetSpec, ModelSpec
from airloop.training.fitted import fit
from airloop.training.validation import with_training

#: On fewer days chance cannot be told from a gain.
MIN_DAYS = 3
#: What of a partition's key names its day; the keys of longer partitions are shorter.
_DAY = slice(10)


@dataclass(frozen=True)
class Shadow:
    """What came of one: its gain over the champion, and what it took."""

    gain: PairedGain
    cpu_seconds: float
    #: The days that it learned from.
    training: tuple[str, ...]


def cast(
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    open_champion: Callable[[], tuple[LoadedModel, LoadedModel | None]],
    until: str,
    left_out: Collection[str] = (),
) -> Shadow:
    """Fit one on the window that ends with a night, and compare it with the champion on the days held out from both.

    :param left_out: partitions that are known to be broken
    :param open_champion: opens it, and the judged twin that stands for it on days that only the refit has learned from
    :raises DataError: if there is too little history for one, or too few days that the champion did not learn from
    :raises SpecError: if the fit fails
    """
    began = time.process_time()
    if not dataset.cadence.timed:
        raise DataError("a delivery has no days on which two models could be compared")
    there = [key for key in lake.partitions(dataset.name) if key <= until and key not in left_out]
    days = choose_days(model, dataset, there, until)
    champion, twin = open_champion()
    unseen = unseen_by((twin or champion).trained_on, days.holdout)
    ref = lake.snapshot(dataset.name, days.all)
    also = asked_by(dataset, *filter(None, (champion, twin)))
    rows = divided(lake, model, dataset, ref, days.holdout, also)
    fitted = fit(_alone(model), dataset, rows)
    ours = rows_in(dataset, rows.holdout.frame, unseen)
    compared = rows.holdout.frame[ours]
    seen = rows_in(dataset, compared, champion.trained_on)
    gain = paired(
        model,
        dataset,
        compared,
        np.asarray(fitted.truth)[ours],
        np.asarray(fitted.scores, np.float64)[ours],
        impartial(champion, twin, dataset, compared, seen),
    )
    return Shadow(gain, time.process_time() - began, days.training)


def unseen_by(learned: Sequence[str], holdout: Sequence[str]) -> tuple[str, ...]:
    """The held-out partitions that the champion did not learn from.

    :raises DataError: if they are too few to compare on
    """
    found = tuple(key for key in holdout if key not in set(learned))
    days = len({key[_DAY] for key in found})
    if days < MIN_DAYS:
        raise DataError(
            f"the champion did not learn from {days} of the last {len(holdout)} partitions, "
            f"and a comparison needs {MIN_DAYS} days"
        )
    return found


def paired(
    model: ModelSpec,
    dataset: DatasetSpec,
    frame: pd.DataFrame,
    truth: Floats,
    ours: Floats,
    theirs: Floats,
) -> PairedGain:
    """The gain of one model's answers over another's to the same labelled rows.

    :raises DataError: if the metric is not defined on them
    """
    spec = model.gates
    blocks = blocks_of(model, dataset, frame)
    confidence = model.retraining.confidence
    found = compare(spec.primary, truth, ours, theirs, blocks, confidence=confidence)
    if not found.known:
        raise DataError(f"{spec.primary} is not defined on the days that neither learned from")
    return PairedGain(found.gain, found.low, found.high, found.blocks, found.rows)


def _alone(model: ModelSpec) -> ModelSpec:
    """The spec of a fit in one process without checkpoints: it is small, and nobody resumes it."""
    if model.training.processes == 1 and model.training.checkpoint is None:
        return model
    return with_training(model, processes=1, checkpoint=None)
