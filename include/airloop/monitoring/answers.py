"""What the champion answered, met with what came true, a batch at a time."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from airloop.columns import PARTITION
from airloop.data import labels
from airloop.data.labels import Labelled
from airloop.data.lake.lake import Lake
from airloop.data.lake.words import Words
from airloop.data.matching import Matching
from airloop.data.parting import Parted, parts_for, words_of
from airloop.monitoring.reference import Reference
from airloop.monitoring.sketch import Counts, count, merged
from airloop.monitoring.window import labelled_keys, rows_of
from airloop.specs import DatasetSpec, ModelSpec

log = logging.getLogger("airloop.monitor")


class Answers:
    """The champion's own predictions of the days whose labels are complete, met with these: its promise is compared."""

    def __init__(
        self,
        lake: Lake,
        model: ModelSpec,
        dataset: DatasetSpec,
        reference: Reference,
        partition: str,
        version: int,
        spoiled: Mapping[str, Words] = MappingProxyType({}),
    ) -> None:
        self._spoiled, self._keys = spoiled, dataset.keys
        #: Answers to rows that were sent otherwise than they were delivered: they say nothing of the model.
        self.left_out = 0
        self._days, self._night = labelled_keys(model, dataset, partition), partition
        self._reference, answers = reference, model.answer.columns
        days = sorted({*self._days, partition})
        if reference.answered and {*reference.answered} != {*answers}:
            # The spec names other outputs than the champion has: what it answers cannot be held against today's labels.
            days = []
        self._logged = labels.predictions_of(lake, dataset, model.name, days, version, answers)
        truths = rows_of(lake, dataset, self._days)
        rows, told = self._logged.num_rows + truths, model.answer.labels
        self._matching = Matching(dataset, rows, answers, told)
        parts, schema = parts_for(rows), self._logged.schema
        self._tonight = Parted(schema, self._keys, parts)
        self._parts = parts
        #: Those to the night's rows, counted: of a row that was asked about twice the last.
        self.tonight: dict[str, Counts] = {}

    def tell(self, truths: pa.RecordBatch) -> None:
        """Take the truth of some rows; without a prediction nobody asks for it."""
        if self._logged.num_rows:
            self._matching.tell(truths)

    def labelled(self) -> Labelled:
        """The predictions that a label came for, once all truth is told."""
        days = pa.array(self._days, pa.string())
        for batch in self._logged.to_batches():
            batch = self._unspoiled(batch)
            keys = batch[PARTITION].cast(pa.string())
            self._matching.ask(batch.filter(pc.is_in(keys, days)))
            self._tonight.add(batch.filter(pc.equal(keys, self._night)))
        for number in range(self._parts):
            self._count(self._tonight.take(number))
        joined = self._matching.joined()
        log.info(
            "%d predictions: %d with a label, %d without, %d without a row",
            joined.predicted,
            len(joined.rows),
            joined.unlabelled,
            joined.unmatched,
        )
        return joined

    def _count(self, answers: pa.Table) -> None:
        if answers.num_rows:
            last = labels.last_of_each(answers.to_pandas(), self._keys)
            self.tonight = merged(self.tonight, counted(self._reference, last))

    def _unspoiled(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if not self._spoiled:
            return batch
        keys, words = batch[PARTITION].cast(pa.string()), words_of(batch, self._keys)
        bad = np.zeros(len(words), np.bool_)
        for key, known in self._spoiled.items():
            bad |= np.asarray(pc.equal(keys, key), np.bool_) & np.isin(words, known)
        self.left_out += int(bad.sum())
        return batch.filter(pa.array(~bad))


def counted(reference: Reference, answers: pd.DataFrame) -> Mapping[str, Counts]:
    """Answers on the bins of those of the days held out, where it is known how these differ from day to day.

    :param answers: in the columns of the prediction log
    """
    return {
        name: count(column.bins, answers[name])
        for name, column in reference.answered.items()
        if column.day_counts and name in answers
    }
