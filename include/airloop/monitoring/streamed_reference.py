"""The reference of rows that stream: bins and layout by some of them, counted in one pass over all."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from airloop.columns import LABEL
from airloop.data.row_stream import RowStream
from airloop.data.snapshot import Split
from airloop.errors import DataError
from airloop.features.truth import labels
from airloop.monitoring import reference
from airloop.monitoring.day import Day, Seen
from airloop.monitoring.profiles import history
from airloop.monitoring.profiles.history import History
from airloop.monitoring.reference import Reference
from airloop.monitoring.sketch import Counts, count, merged
from airloop.specs import DatasetSpec, ModelSpec


def build(
    model: ModelSpec,
    dataset: DatasetSpec,
    split: Split,
    stream: RowStream,
    scores: npt.ArrayLike,
    holdout: Mapping[str, float],
) -> Reference:
    """Profile all rows of a window a batch at a time, as :func:`airloop.monitoring.reference.build` does in one frame.

    Where a column is cut, which values are followed and how many are new on a day is told by the evenly spaced rows.

    :raises DataError: if an input is lacking
    """
    some = split.everything
    rough = reference.build(
        model,
        dataset,
        some,
        scores,
        labels=np.asarray(labels(model, some), np.float64),
        holdout=holdout,
        held=split.holdout,
    )
    days: dict[str, Day] = {}
    truths: dict[str, dict[str, Counts]] = {}
    for key, parts in groupby(stream.by_partition(), key=lambda one: one[0]):
        seen = Seen(rough, dataset.keys, stream.of_partition[key])
        for _, frame in parts:
            seen.add(frame)
            told = _labels(model, rough, frame)
            truths[key] = merged(truths.get(key, {}), told)
        days[key] = seen.day()
    if tuple(days) != rough.days:
        raise DataError(
            "the rows changed while they were read",
            value=len(days),
            where=f"dataset {dataset.name}",
        )
    return _whole(dataset, rough, days, truths)


def _labels(model: ModelSpec, rough: Reference, frame: pd.DataFrame) -> dict[str, Counts]:
    names = model.answer.labels
    told = np.asarray(labels(model, frame), np.float64).reshape(-1, len(names))
    table = pd.DataFrame(told, columns=list(names))
    return {name: count(one.bins, table[name]) for name, one in rough.labelled.items()}


def _whole(
    dataset: DatasetSpec,
    rough: Reference,
    days: Mapping[str, Day],
    truths: Mapping[str, Mapping[str, Counts]],
) -> Reference:
    """The same with the figures of all rows."""
    columns = [
        reference.of_days(one.bins, [day.columns[one.bins.column] for day in days.values()])
        for one in rough.columns
    ]
    counted = {
        name: reference.of_days(one.bins, [told[name] for told in truths.values()])
        for name, one in rough.labelled.items()
    }
    update: dict[str, Any] = {
        "rows": sum(day.rows for day in days.values()),
        "day_rows": tuple(day.rows for day in days.values()),
        "columns": tuple(columns),
        "health": rough.health and _health(dataset, rough.health, days),
    }
    if rough.label is not None:
        label = counted[LABEL]
        present = sum(label.counts)
        mean = sum(label.day_totals) / present if present else None
        update |= {"label": label, "label_mean": mean}
    elif rough.labels:
        update["labels"] = tuple(counted.values())
    return rough.model_copy(update=update)


def _health(dataset: DatasetSpec, rough: History, days: Mapping[str, Day]) -> History:
    found = [day.profile(rough.layout) for day in days.values()]
    values = history.figures(found)
    # What no other day has is known of the spaced rows alone: all days of all rows would have to be kept for more.
    apart = [(name, "new") for name in rough.layout.known]
    apart += [tie.key for tie in rough.layout.ties]
    for key in apart:
        if key in rough.index:
            values[key] = rough.series(key).tolist()
        else:
            values.pop(key, None)
    samples = [day.sample for day in days.values()]
    return history.told(dataset, rough.layout, list(days), found, samples, values)
