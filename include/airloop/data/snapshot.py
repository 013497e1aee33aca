"""Which days a candidate is made from, and which of them it never sees."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from airloop.contracts import DatasetRef
from airloop.data.cadence import check_cadence
from airloop.data.lake.lake import Lake
from airloop.data.row_stream import RowStream
from airloop.data.rows import rows_in
from airloop.data.splitting import held_out
from airloop.errors import DataError
from airloop.features.truth import Truth, known, labels
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec


@dataclass(frozen=True)
class Days:
    """A window of partitions: those trained on, and the later ones held out for the gates."""

    training: tuple[str, ...]
    holdout: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """The whole window."""
        return tuple(dict.fromkeys(self.training + self.holdout))


@dataclass(frozen=True)
class Part:
    """Rows whose truth is known. ``unlabelled`` counts those left out because it is not."""

    frame: pd.DataFrame
    #: Of several values all known.
    truth: Truth
    unlabelled: int


@dataclass(frozen=True)
class Split:
    """A snapshot's rows, before and after the line. ``everything`` includes rows without a label.

    Where they stream, ``everything`` and ``training`` hold evenly spaced ones of them.
    """

    everything: pd.DataFrame
    training: Part
    holdout: Part
    #: All of them; None where the others hold all.
    stream: RowStream | None = None


def choose_days(
    model: ModelSpec, dataset: DatasetSpec, there: Sequence[str], until: str | None
) -> Days:
    """The window's last partitions that exist, up to and including ``until``, and whose labels are complete.

    :raises DataError: if there are too few to hold any out
    """
    if not dataset.cadence.timed:
        return _newest(dataset, there, until)
    spec, cadence = model.training, dataset.cadence
    size, held = spec.window_in(cadence), spec.holdout_in(cadence)
    last = min(filter(None, (until, labelled_until(model, dataset, there))), default=None)
    window = [key for key in sorted(there) if last is None or key <= last][-size:]
    if len(window) <= held:
        raise DataError(
            f"{len(window)} {cadence}s are not enough to train on and to hold {held} out",
            value=window[:5],
            where=f"partitions of {dataset.name} up to {last or 'the newest'}",
            remedy=f"ingest more {cadence}s, or lower training.{_key(spec.holdout, 'holdout')}",
        )
    return Days(tuple(window[:-held]), tuple(window[-held:]))


def _key(span: int | str | None, name: str) -> str:
    """By which of its two keys a span is said."""
    return f"{name}_days" if span is None else name


def _newest(dataset: DatasetSpec, there: Sequence[str], until: str | None) -> Days:
    """The newest delivery, which holds all there is: it stands on both sides, its rows are divided."""
    newest = max((key for key in there if until is None or key <= until), default=None)
    if newest is None:
        raise DataError("nothing was delivered yet", where=f"dataset {dataset.name}")
    return Days((newest,), (newest,))


def labelled_until(model: ModelSpec, dataset: DatasetSpec, there: Sequence[str]) -> str | None:
    """The newest partition whose labels are complete now that the newest of these has arrived; None without any.

    A partition arrives when it has ended, so that a delay of one has passed by then.
    """
    if not there or not dataset.cadence.timed:
        return max(there, default=None)
    waiting = max(model.target.delay_in(dataset.cadence) - 1, 0)
    return str(dataset.partition(max(there)).before(waiting))


def take(
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    until: str | None,
    as_of: datetime | None = None,
    left_out: Collection[str] = (),
) -> tuple[DatasetRef, Days]:
    """Pin the window of a model's dataset, as the lake is now or was at a moment.

    :param left_out: partitions that are known to be broken
    :raises RequestError: if the moment lies in the future
    :raises DataError: if there is not enough of it
    """
    sound = [key for key in check_cadence(lake, dataset, as_of) if key not in left_out]
    days = choose_days(model, dataset, sound, until)
    return lake.snapshot(dataset.name, days.all, as_of), days


def split(
    model: ModelSpec, dataset: DatasetSpec, frame: pd.DataFrame, holdout: Sequence[str]
) -> Split:
    """Divide a snapshot's rows by partition; rows whose label is not known are counted and left out.

    A delivery's rows are divided by what names them: :func:`airloop.data.splitting.held_out`.

    :raises DataError: if a side holds no labelled rows
    """
    if frame.empty:
        raise DataError("the snapshot holds no rows", where=f"dataset {dataset.name}")
    if dataset.cadence.timed:
        return divide(model, frame, rows_in(dataset, frame, holdout))
    return divide(model, frame, held_out(model, dataset, frame))


def divide(model: ModelSpec, frame: pd.DataFrame, chosen: npt.NDArray[np.bool_]) -> Split:
    """Rows on both sides of a line.

    :raises DataError: if a side holds no labelled rows
    """
    truth = labels(model, frame)
    later = pd.Series(chosen, index=frame.index)
    return Split(
        frame, _part(frame, truth, ~later, "training"), _part(frame, truth, later, "holdout")
    )


def unlabelled_side(name: str, rows: int) -> DataError:
    """That none of a side's rows has a label."""
    return DataError(
        f"no {name} row has a label",
        value=f"{rows} rows without",
        where=f"label of the {name} days",
        remedy="train up to a day whose labels have arrived (target.delay_days)",
    )


def _part(frame: pd.DataFrame, truth: Truth, chosen: pd.Series[bool], name: str) -> Part:
    there = chosen & known(truth)
    if not there.any():
        raise unlabelled_side(name, int(chosen.sum()))
    return Part(frame[there], truth[there], int(chosen.sum() - there.sum()))
