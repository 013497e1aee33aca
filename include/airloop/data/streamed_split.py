"""A snapshot that streams, divided: the held-out rows as they are, of the others as many as figures need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Final

import pandas as pd

from airloop.contracts import DatasetRef
from airloop.data.lake.lake import Lake
from airloop.data.needed import columns_of, read_needed
from airloop.data.row_stream import RowStream
from airloop.data.snapshot import Part, Split, split, unlabelled_side
from airloop.errors import DataError
from airloop.features.truth import Truth, known, labels
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec

#: Rows of the window that are held for what needs no more: what one column predicts alone, bins, the mean label.
SAMPLE_ROWS: Final = 500_000


def divided(
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    ref: DatasetRef,
    holdout: Sequence[str],
    also: Collection[str] | None = (),
) -> Split:
    """A snapshot's rows, before and after the line: all of them, or with ``training.stream`` as a stream.

    :param also: columns that are asked for beside the model's own; None if that may be any
    :raises DataError: if a side holds no labelled rows
    """
    if not model.training.stream:
        return split(model, dataset, read_needed(lake, model, dataset, ref, also), holdout)
    columns = columns_of(lake, model, dataset, ref, also)
    stream = RowStream(lake, model, dataset, ref, frozenset(holdout), columns)
    found = _Looked(stream, max(1, -(-ref.rows // SAMPLE_ROWS)))
    for key, frame in stream.by_partition():
        found.add(key, frame)
    return found.split()


class _Looked:
    """What one pass over a stream keeps.

    :param step: of each partition every so many rows are kept, its first among them
    """

    def __init__(self, stream: RowStream, step: int) -> None:
        self._stream, self._step = stream, step
        self._rows: Counter[str] = Counter()
        #: Rows of each side without a label, and with one.
        self._without, self._with = Counter[bool](), Counter[bool]()
        self._sampled: list[pd.DataFrame] = []
        self._learned: list[tuple[pd.DataFrame, Truth]] = []
        self._held: list[tuple[pd.DataFrame, Truth]] = []

    def add(self, key: str, frame: pd.DataFrame) -> None:
        """Take rows of one partition."""
        seen, all_rows = self._rows[key], self._rows.total()
        self._rows[key] += len(frame)
        frame = frame.set_axis(pd.RangeIndex(all_rows, all_rows + len(frame)))
        truth = labels(self._stream.model, frame)
        there = known(truth)
        later = key in self._stream.held
        self._with[later] += int(there.sum())
        self._without[later] += int((~there).sum())
        every = slice(-seen % self._step, None, self._step)
        # A copy: a slice of a frame would keep it whole.
        some, told, chosen = frame.iloc[every].copy(), truth.iloc[every].copy(), there.iloc[every]
        self._sampled.append(some)
        if later:
            self._held.append((frame[there], truth[there]))
        else:
            self._learned.append((some[chosen], told[chosen]))

    def split(self) -> Split:
        """Both sides.

        :raises DataError: if one holds no labelled rows
        """
        if not self._sampled:
            where = f"dataset {self._stream.dataset.name}"
            raise DataError("the snapshot holds no rows", where=where)
        stream = replace(self._stream, rows=self._with[False], of_partition=dict(self._rows))
        return Split(
            pd.concat(self._sampled),
            self._part(self._learned, later=False),
            self._part(self._held, later=True),
            stream,
        )

    def _part(self, parts: list[tuple[pd.DataFrame, Any]], *, later: bool) -> Part:
        if not self._with[later]:
            raise unlabelled_side("holdout" if later else "training", self._without[later])
        frames, truths = zip(*parts, strict=True)
        return Part(pd.concat(frames), pd.concat(truths), self._without[later])
