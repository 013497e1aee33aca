"""The guard of a refit: what is delivered must be the model that was judged, but for the days that it learned more.

Two measures, each against what is natural. *On the newest days that both have learned from* it answers as the judged one does, and
no worse. How far is natural tells a fit of the same kind, another seed's on a window that ends as many days earlier: it is to
the judged fit what that one is to the refit. *On the held-out days*, which it alone has learned from, it answers no worse: for
whoever minimises a loss that is no matter of chance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from airloop.contracts import Candidate, GateReport, Outcome
from airloop.data.known import newest_rows
from airloop.errors import TransientError
from airloop.evaluation import multiclass, quantiles, values, vectors
from airloop.evaluation.blocks import Blocks, blocks_of
from airloop.evaluation.case import Case
from airloop.evaluation.metrics import Floats
from airloop.evaluation.proper import TOLERANCE
from airloop.plugins.metric import Task
from airloop.registry.loaded import LoadedModel

#: The metrics of a run that hold how far a fit of the same kind moves the answers of a day, and its loss.
CHANGE: Final = "refit_natural_change"
LOSS: Final = "refit_natural_loss"
#: Of that fit's figures, a day each, the one that counts.
QUANTILE: Final = 0.95
#: That is one step of a model, and the next may be larger: of two drawn alike in three directions or more, the one is
#: more than so many times the other in 5 % at most (the root of the F distribution's quantile, 9.28 for 3 and 3).
STEPS: Final = 3.05
_NEVER = 1e-6


@dataclass(frozen=True)
class Natural:
    """How far a fit of the same kind moves a day's answers, and by which share of the whole it moves a day's loss."""

    change: float
    loss: float

    @property
    def figures(self) -> dict[str, float]:
        """For the run."""
        return {CHANGE: self.change, LOSS: self.loss}

    @classmethod
    def of(cls, figures: dict[str, float]) -> Natural | None:
        """From the run; None where nobody could tell."""
        change, loss = figures.get(CHANGE), figures.get(LOSS)
        return None if change is None or loss is None else cls(change, loss)


@dataclass(frozen=True)
class Answered:
    """The same rows answered by two models, the later one learned from newer days too."""

    truth: Floats
    before: Floats
    after: Floats
    blocks: Blocks

    @property
    def changes(self) -> Floats:
        """How far the answers lie from each other, as a root mean square, a block each; of several values by how much each varies."""
        squares = np.square(self.after - self.before)
        if self.truth.ndim > 1 and self.truth.shape == squares.shape:
            spread = self.truth.var(axis=0)
            squares /= np.where(spread > 0, spread, 1.0)
        return np.sqrt(self._by_block(_each(squares)))

    def losses(self, task: Task) -> Floats:
        """By how much the later one's loss is larger, as a share of the other's over all, a block each."""
        before = _loss(task, self.truth, self.before)
        more = self._by_block(_loss(task, self.truth, self.after) - before)
        return np.asarray(more / max(float(before.mean()), _NEVER), np.float64)

    def worse(self, task: Task) -> float:
        """The same over all rows."""
        before = float(_loss(task, self.truth, self.before).mean())
        return (float(_loss(task, self.truth, self.after).mean()) - before) / max(before, _NEVER)

    def _by_block(self, figures: Floats) -> Floats:
        _, codes = np.unique(self.blocks.codes, return_inverse=True)
        return np.asarray(np.bincount(codes, figures) / np.bincount(codes), np.float64)


@dataclass(frozen=True)
class Verdict:
    """Whether the refitted model may be delivered, and why."""

    outcome: Outcome
    why: str

    @property
    def sentence(self) -> str:
        """Which of the two is delivered, and why."""
        whose = "refitted" if self.outcome is Outcome.OK else "judged"
        unsure = ", since nobody could tell" if self.outcome is Outcome.UNKNOWN else ""
        return f"the {whose} model is delivered{unsure}: {self.why}"[:500]


def natural(task: Task, answered: Answered) -> Natural:
    """What is natural, by the judged fit and the one before it on days that both have learned from."""
    change = float(np.quantile(answered.changes, QUANTILE))
    return Natural(change, float(np.quantile(np.abs(answered.losses(task)), QUANTILE)))


def weigh(task: Task, known: Answered, held: Answered, usual: Natural) -> Verdict:
    """Both measures.

    :param known: rows that both have learned from
    :param held: rows that the refitted one alone has learned from
    """
    change, worse, held_worse = float(np.median(known.changes)), known.worse(task), held.worse(task)
    told = (
        f"on the newest days that both learned from it moves the answers by {change:.4g} and the loss by {worse:+.2%}, "
        f"a fit of the same kind moves a day's by {usual.change:.4g} and {usual.loss:.2%}; held-out loss {held_worse:+.2%}"
    )
    sound = (
        change <= STEPS * usual.change
        # The mean of some days against a single bad one.
        and worse <= max(usual.loss, TOLERANCE)
        and held_worse <= TOLERANCE
    )
    return Verdict(Outcome.OK if sound else Outcome.BAD, told)


def bind(
    report: GateReport, candidate: Candidate, case: Case, open_refit: Callable[[], LoadedModel]
) -> GateReport:
    """The report with the digests of both artifacts, and which of them may be delivered."""
    judged, refit = candidate.artifact.digest, candidate.refit
    bound = report.model_copy(
        update={"judged": judged, "refitted": refit.digest if refit else None}
    )
    if report.outcome is not Outcome.OK:
        return bound
    if refit is None:
        return bound.model_copy(update={"delivers": judged, "guard": "nothing was refitted"})
    found = guarded(case, candidate, open_refit)
    chosen = refit.digest if found.outcome is Outcome.OK else judged
    return bound.model_copy(update={"delivers": chosen, "guard": found.sentence})


def guarded(case: Case, candidate: Candidate, open_refit: Callable[[], LoadedModel]) -> Verdict:
    """Whether the refitted model is the judged one, but for the days that it learned more.

    :raises TransientError: if a server was not reached
    """
    usual = Natural.of(dict(candidate.metrics))
    if usual is None:
        why = "the window is too short for a fit of the same kind, which would tell what change is natural"
        return Verdict(Outcome.UNKNOWN, why)
    try:
        model = open_refit()
        if model.refit_of != candidate.artifact.digest:
            return Verdict(Outcome.BAD, f"the refit is one of {model.refit_of}")
        return weigh(case.model.goal, _known(case, model), _held(case, model), usual)
    except TransientError:
        raise
    # Whatever is wrong with the refit, the judged one is there.
    except Exception as error:
        return Verdict(Outcome.UNKNOWN, f"{type(error).__name__}: {error}")


def _known(case: Case, refitted: LoadedModel) -> Answered:
    """The newest training rows."""
    part, candidate = case.split.training, case.candidate
    keys = sorted(set(candidate.dataset.partitions) - set(candidate.holdout))
    newest = newest_rows(case.dataset, part.frame, keys, len(candidate.holdout))
    frame = part.frame[newest]
    return Answered(
        np.asarray(case.model.answer.truths(part.truth[newest]), np.float64),
        np.asarray(case.loaded.predict(frame, case.dataset), np.float64),
        np.asarray(refitted.predict(frame, case.dataset), np.float64),
        blocks_of(case.model, case.dataset, frame),
    )


def _held(case: Case, refitted: LoadedModel) -> Answered:
    answers = np.asarray(refitted.predict(case.holdout, case.dataset), np.float64)
    return Answered(case.truth, np.asarray(case.scores, np.float64), answers, case.blocks)


def _each(figures: Floats) -> Floats:
    """A figure a row: the mean over its numbers."""
    return figures if figures.ndim == 1 else np.asarray(figures.mean(axis=1), np.float64)


def _loss(task: Task, truth: Floats, answers: Floats) -> npt.NDArray[np.float64]:
    """What a model of the task minimises, a row each."""
    if task == "regression":
        return np.square(truth - answers)
    if task == "values":
        return values.losses(truth, answers)
    if task == "vector":
        return vectors.squared(truth, answers)
    if task == "quantiles":
        return quantiles.pinball(truth, answers)
    if task == "labels":
        return 1 - multiclass.right(truth, answers)
    if task == "multiclass":
        return multiclass.cross_entropy(truth, np.clip(answers, _NEVER, 1.0))
    sure = np.clip(answers, _NEVER, 1 - _NEVER)
    return -(truth * np.log(sure) + (1 - truth) * np.log(1 - sure))
