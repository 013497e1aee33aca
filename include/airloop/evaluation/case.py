"""What the gates look at: one candidate, its frozen holdout rows, and the champion's answers to the same rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from airloop.contracts import Candidate
from airloop.data.rows import rows_in
from airloop.data.snapshot import Split
from airloop.data.splitting import held_out
from airloop.errors import GateError
from airloop.evaluation.blocks import LEAST, Blocks, blocks_of, dealt
from airloop.evaluation.comparison import Comparison, compare
from airloop.evaluation.metrics import Floats
from airloop.evaluation.multiclass import is_of
from airloop.evaluation.quantiles import trivial
from airloop.evaluation.twins import impartial
from airloop.features.transform import transform
from airloop.registry.loaded import LoadedModel
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec

#: How certain a loss must be that refuses a candidate, at least.
VETO: Final = 0.95


@dataclass(frozen=True)
class Champion:
    """Who serves. ``open`` loads it: where that fails, the gates that need it could not tell."""

    version: int
    open: Callable[[], LoadedModel]
    #: The judged model of a refitted one; None for one that was itself judged.
    twin: Callable[[LoadedModel], LoadedModel | None] = lambda _: None


@dataclass
class Case:
    """One evaluation. What is expensive is computed once, when the first gate asks.

    A gate that asks for something that cannot be had gets the exception; its verdict is then "could not tell".
    """

    model: ModelSpec
    dataset: DatasetSpec
    candidate: Candidate
    split: Split
    open: Callable[[], LoadedModel]
    champion: Champion | None = None

    @property
    def holdout(self) -> pd.DataFrame:
        """The labelled rows of the held-out days."""
        return self.split.holdout.frame

    @cached_property
    def values(self) -> Floats:
        """Their labels, a number each, or a row of several."""
        return np.asarray(self.split.holdout.truth, dtype=np.float64)

    @cached_property
    def truth(self) -> Floats:
        """The same as a metric takes them."""
        return np.asarray(self.model.answer.truths(self.values), dtype=np.float64)

    @cached_property
    def loaded(self) -> LoadedModel:
        """The candidate, opened from its artifact as the service would."""
        return self.open()

    @cached_property
    def scores(self) -> Floats:
        """The candidate's answers."""
        return self.loaded.predict(self.holdout)

    @cached_property
    def baseline(self) -> Floats:
        """The trivial predictor's answers: the mean label of the training days, of several classes how often each was, of labels the most frequent, of quantiles those of all labels."""
        known = self.split.training.truth
        if levels := self.model.answer.levels:
            return trivial(np.asarray(known, np.float64), levels, len(self.truth))
        if self.model.answer.of_classes:
            shares = is_of(np.asarray(known, np.float64), *self.model.answer.shape).mean(axis=0)
            trivial_answer = self.model.answer.decided(shares[None])
            return np.tile(trivial_answer, (len(self.truth), 1))
        if self.model.answer.apart:
            return np.tile(np.asarray(known, np.float64).mean(axis=0), (len(self.truth), 1))
        return np.full(len(self.truth), float(np.mean(known)))

    @cached_property
    def incumbent(self) -> LoadedModel:
        """The champion, opened."""
        if self.champion is None:
            raise GateError("there is no champion")
        return self.champion.open()

    @cached_property
    def twin(self) -> LoadedModel | None:
        """The champion's judged twin, where the champion was refitted on the days that had judged it."""
        return self.champion.twin(self.incumbent) if self.champion else None

    @cached_property
    def unseen(self) -> npt.NDArray[np.bool_]:
        """The holdout rows that the champion, or its judged twin, did not learn from: of other days, or held out."""
        if not self.dataset.cadence.timed:
            frame = self.split.everything
            kept = pd.Series(held_out(self.incumbent.spec, self.dataset, frame), index=frame.index)
            return kept[self.holdout.index].to_numpy(dtype=np.bool_)
        return self._unseen_by(self.twin or self.incumbent)

    @cached_property
    def by_twin(self) -> npt.NDArray[np.bool_]:
        """The holdout rows for which the judged twin is asked: only the refitted champion has learned from them."""
        if self.twin is None:
            return np.zeros(len(self.truth), dtype=np.bool_)
        if not self.dataset.cadence.timed:
            return self.unseen
        return self.unseen & ~self._unseen_by(self.incumbent)

    @cached_property
    def incumbent_scores(self) -> Floats:
        """The champion's answers to every holdout row, its judged twin's where only that one is impartial.

        :raises GateError: if they are of another kind, or about other classes
        """
        if other := self.other_outputs:
            raise GateError(other)
        return impartial(self.incumbent, self.twin, self.dataset, self.holdout, self.by_twin)

    @cached_property
    def other_outputs(self) -> str:
        """What the champion answers, where that is not what the candidate does; empty where the two can be compared."""
        theirs, ours = self.incumbent.spec.answer, self.model.answer
        if theirs == ours:
            return ""
        return f"the champion answers {theirs.told}, the candidate {ours.told}: they cannot be compared"

    def _unseen_by(self, model: LoadedModel) -> npt.NDArray[np.bool_]:
        learned: npt.NDArray[np.bool_] = rows_in(self.dataset, self.holdout, model.trained_on)
        return ~learned

    @cached_property
    def features(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The features of the training rows and of the holdout rows."""
        rows = self.split.training.frame, self.holdout
        before, after = (transform(self.model, self.dataset, part) for part in rows)
        return before, after

    @cached_property
    def blocks(self) -> Blocks:
        """Which holdout rows hang together: chance draws them as one."""
        return blocks_of(self.model, self.dataset, self.holdout)

    def compare(
        self,
        other: Floats,
        rows: npt.NDArray[Any] | slice = slice(None),
        *,
        name: str | None = None,
        veto: bool = False,
    ) -> Comparison:
        """The candidate against other answers on some of the holdout rows.

        :param name: of the metric; the primary one by default
        :param veto: whether a loss refuses: that must be certain, however little certainty the spec asks of a gain
        """
        gates = self.model.gates
        confidence = max(gates.confidence, VETO) if veto else gates.confidence
        blocks = self.blocks.of(rows)
        return compare(
            name or gates.primary,
            self.truth[rows],
            self.scores[rows],
            other[rows],
            # One day alone tells nothing of others; what its rows tell is then the best there is.
            blocks if len(blocks) >= LEAST else dealt(len(blocks.codes)),
            confidence=confidence,
        )
