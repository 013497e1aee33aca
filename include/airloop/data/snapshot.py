"""Which days a candidate is made from, and which of them it never sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from airloop.contracts import DatasetRef
from airloop.data.lake.lake import Lake
from airloop.errors import DataError
from airloop.features.transform import labels
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec, TrainingSpec


@dataclass(frozen=True)
class Days:
    """A window of partitions: those trained on, and the later ones held out for the gates."""

    training: tuple[str, ...]
    holdout: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """The whole window."""
        return self.training + self.holdout


@dataclass(frozen=True)
class Part:
    """Rows whose truth is known. ``unlabelled`` counts those left out because it is not."""

    frame: pd.DataFrame
    truth: pd.Series[float]
    unlabelled: int


@dataclass(frozen=True)
class Split:
    """A snapshot's rows, before and after the line. ``everything`` includes rows without a label."""

    everything: pd.DataFrame
    training: Part
    holdout: Part


def choose_days(spec: TrainingSpec, there: Sequence[str], until: str | None) -> Days:
    """The last ``window_days`` partitions that exist up to and including ``until``, None for the newest.

    :raises DataError: if there are too few to hold any out
    """
    window = [key for key in sorted(there) if until is None or key <= until][-spec.window_days :]
    if len(window) <= spec.holdout_days:
        raise DataError(
            f"{len(window)} days are not enough to train on and to hold {spec.holdout_days} out",
            value=window[:5],
            where=f"partitions up to {until or 'the newest'}",
            remedy="ingest more days, or lower training.holdout_days",
        )
    return Days(tuple(window[: -spec.holdout_days]), tuple(window[-spec.holdout_days :]))


def take(lake: Lake, model: ModelSpec, until: str | None) -> tuple[DatasetRef, Days]:
    """Pin the window of a model's dataset.

    :raises DataError: if there is not enough of it
    """
    days = choose_days(model.training, lake.partitions(model.dataset), until)
    return lake.snapshot(model.dataset, days.all), days


def split(
    model: ModelSpec, dataset: DatasetSpec, frame: pd.DataFrame, holdout: Sequence[str]
) -> Split:
    """Divide a snapshot's rows by day; rows whose label is not known are counted and left out.

    :raises DataError: if a side holds no labelled rows
    """
    if frame.empty:
        raise DataError("the snapshot holds no rows", where=f"dataset {dataset.name}")
    keys = pd.to_datetime(frame[dataset.partition_column]).dt.strftime("%Y-%m-%d")
    truth = labels(model, frame)
    later = keys.isin(set(holdout))
    return Split(
        frame, _part(frame, truth, ~later, "training"), _part(frame, truth, later, "holdout")
    )


def _part(frame: pd.DataFrame, truth: pd.Series[float], chosen: pd.Series[bool], name: str) -> Part:
    known = chosen & truth.notna()
    if not known.any():
        raise DataError(
            f"no {name} row has a label",
            value=f"{int(chosen.sum())} rows without",
            where=f"label of the {name} days",
            remedy="train up to a day whose labels have arrived (target.delay_days)",
        )
    return Part(frame[known], truth[known], int(chosen.sum() - known.sum()))
