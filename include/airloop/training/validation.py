"""The days that choose between parameters and algorithms: the last of the training days.

Never the holdout: the gates are decided on it, and a choice made on the same rows would flatter what was chosen.
"""

from __future__ import annotations

from airloop.data.rows import keys_of
from airloop.data.snapshot import Split, divide, split
from airloop.data.splitting import JUDGING, held_out
from airloop.errors import DataError
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec, TrainingSpec

#: At most this share of the training days judges.
SHARE = 3


def inner(model: ModelSpec, dataset: DatasetSpec, rows: Split) -> Split:
    """The training rows divided again, before and from :func:`judging_days` on.

    :raises DataError: if there are too few days or rows
    """
    if not dataset.cadence.timed:
        frame = rows.training.frame
        return divide(model, frame, held_out(model, dataset, frame, JUDGING))
    return split(model, dataset, rows.training.frame, judging_days(model, dataset, rows))


def judging_days(model: ModelSpec, dataset: DatasetSpec, rows: Split) -> tuple[str, ...]:
    """The last of the training days: as many as are held out for the gates, a third at most.

    :raises DataError: if there are too few
    """
    frame = rows.training.frame
    keys = sorted(keys_of(dataset, frame).unique())
    if len(keys) < 2:
        raise DataError(
            "one day of training rows cannot be divided into rows that fit and rows that judge",
            value=keys,
            where=f"model {model.name}",
            remedy="raise training.window, or training.window_days",
        )
    count = min(model.training.holdout_in(dataset.cadence), max(1, len(keys) // SHARE))
    return tuple(keys[-count:])


def with_training(model: ModelSpec, **changes: object) -> ModelSpec:
    """The model with other keys under ``training``, checked as a file would be."""
    fields = model.training.model_dump() | changes
    return model.model_copy(update={"training": TrainingSpec.model_validate(fields)})
