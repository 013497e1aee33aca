"""How much history a training takes, where the spec leaves it open: the window that has predicted best what came next.

With all history goes the question whether its rows count alike, or less the older they are.

Prequential (Dawid, 1984): each window is fitted on the days before a block and judged on the block, for a few blocks one
after the other, by a proper score. The days held out for the gates are not among them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd

from airloop.calendar import moment_of
from airloop.contracts import Decision
from airloop.data.lake.lake import Lake
from airloop.data.rows import rows_in
from airloop.data.snapshot import choose_days, split
from airloop.data.unsound import sound
from airloop.durations import duration_of, spanned
from airloop.evaluation.metrics import PROPER
from airloop.figures import Figures
from airloop.ledger import Ledger
from airloop.specs import DatasetSpec, ModelSpec
from airloop.training.choice import can_weigh
from airloop.training.fitted import fit
from airloop.training.validation import with_training
from airloop.vocabulary import Action, Topic

log = logging.getLogger("airloop.windows")

#: What is chosen among, beside all history.
SPANS = ("30d", "60d", "120d", "365d")
#: In how long a row of all history loses half of its weight, where that is tried.
HALF_LIVES = ("30d", "120d")
#: More partitions than any history has.
ALL = 1_000_000
#: Blocks that judge, each as long as the gates' holdout.
BLOCKS = 3
#: Histories of more rows are not tried: a choice must not cost more than the training that it is for.
MAX_ROWS = 2_000_000
#: A choice holds for so long, in the data's time.
HELD = "30d"
HOLDS = duration_of(HELD)


@dataclass(frozen=True)
class Choice:
    """A window in partitions, why, the loss of each that was tried, and in how long its rows lose half of their weight."""

    window: int
    reason: str
    losses: dict[str, float]
    half_life: str | None = None

    def applied(self, model: ModelSpec) -> ModelSpec:
        """The model with what was chosen; a half-life of the spec's own stays."""
        chosen = with_window(model, self.window)
        if self.half_life is None or model.training.half_life is not None:
            return chosen
        return with_half_life(chosen, self.half_life)

    def suits(self, model: ModelSpec) -> bool:
        """Whether the model can be fitted by it: its trainer may be another than the one that was chosen for."""
        changed = self.applied(model).training.half_life != model.training.half_life
        return not changed or can_weigh(model)


def settled(
    ledger: Ledger, lake: Lake, model: ModelSpec, dataset: DatasetSpec, until: str | None
) -> ModelSpec:
    """The model with its window chosen, and the choice on record; as it is where the spec says one.

    :raises DataError: if there is too little history to train at all
    """
    if not model.training.auto or not dataset.cadence.timed:
        return model
    there = sound(ledger, model, dataset, lake.partitions(dataset.name))
    last = choose_days(with_window(model, ALL), dataset, there, until).all[-1]
    if (earlier := _chosen(ledger, model, last)) is not None:
        return earlier.applied(model)
    choice = choose(lake, model, dataset, there, until)
    log.info("%s", choice.reason)
    _record(ledger, model.name, last, choice)
    return choice.applied(model)


def known(ledger: Ledger, model: ModelSpec, dataset: DatasetSpec, last: str) -> ModelSpec:
    """The model with the window that was chosen last; for who must not spend a choice."""
    if not model.training.auto or not dataset.cadence.timed:
        return model
    choice = _chosen(ledger, model, last)
    return model if choice is None else choice.applied(model)


def choose(
    lake: Lake, model: ModelSpec, dataset: DatasetSpec, there: Sequence[str], until: str | None
) -> Choice:
    """Try every window that the history can tell apart.

    :param there: the partitions that may be learned from
    :raises DataError: if there is too little history to train at all
    """

    def rows(keys: Sequence[str]) -> int:
        return lake.snapshot(dataset.name, keys).rows

    def read(keys: Sequence[str]) -> pd.DataFrame:
        return lake.read(lake.snapshot(dataset.name, keys))

    return choose_among(model, dataset, there, until, rows, read)


def choose_among(
    model: ModelSpec,
    dataset: DatasetSpec,
    there: Sequence[str],
    until: str | None,
    rows: Callable[[Sequence[str]], int],
    read: Callable[[Sequence[str]], pd.DataFrame],
) -> Choice:
    """:func:`choose` over any history.

    :param there: its partitions
    :param rows: how many rows some of them have
    :param read: their rows, in key order
    :raises DataError: if there is too little history to train at all
    """
    whole = choose_days(with_window(model, ALL), dataset, there, until)
    before, block = whole.training, len(whole.holdout)
    first = len(before) - BLOCKS * block
    sizes = _sizes(dataset, first)
    usual = model.training.window_in(dataset.cadence)
    if not sizes:
        told = f"{len(before)} {dataset.cadence}s before the held-out ones are too few to choose a window by"
        return Choice(usual, f"{told}: the last {usual} are taken, or all there are", {})
    if rows(before) > MAX_ROWS:
        sizes = {name: size for name, size in sizes.items() if size != ALL}
    keys = before[-min(max(sizes.values()) + BLOCKS * block, len(before)) :]
    frame = read(keys)
    tried = {name: with_window(model, size) for name, size in sizes.items()}
    tried |= _fading(model, dataset, sizes, first)
    losses = {name: _loss(variant, dataset, frame, keys, block) for name, variant in tried.items()}
    # Of equals the shorter, which is the cheaper, and the one without a half-life: they stand in that order.
    best = min(losses, key=lambda name: losses[name])
    figures = ", ".join(f"{name} {loss:.4f}" for name, loss in losses.items())
    reason = f"window {best}: {PROPER[model.task]} of the next {block} {dataset.cadence}s, {BLOCKS} times: {figures}"
    chosen = tried[best].training
    half_life = None if chosen.half_life == model.training.half_life else str(chosen.half_life)
    return Choice(chosen.window_in(dataset.cadence), reason, losses, half_life)


def _sizes(dataset: DatasetSpec, first: int) -> dict[str, int]:
    """The windows that differ before the first block, the shortest first; none where no two do."""
    found = {span: spanned(span, dataset.cadence) for span in SPANS}
    shorter = {span: size for span, size in found.items() if size < first}
    return shorter | {"all": ALL} if shorter else {}


def _fading(
    model: ModelSpec, dataset: DatasetSpec, sizes: dict[str, int], first: int
) -> dict[str, ModelSpec]:
    """The longest window with rows that lose weight with age; none where the spec says how, or a trainer cannot."""
    if model.training.half_life is not None or not can_weigh(model):
        return {}
    *_, longest = sizes
    whole = with_window(model, sizes[longest])
    return {
        f"{longest}, half each {span}": with_half_life(whole, span)
        for span in HALF_LIVES
        if spanned(span, dataset.cadence) < first
    }


def _loss(
    model: ModelSpec,
    dataset: DatasetSpec,
    frame: pd.DataFrame,
    keys: Sequence[str],
    block: int,
) -> float:
    """The mean over the blocks, each predicted from the window before it."""
    losses, size = [], model.training.window_in(dataset.cadence)
    for number in range(BLOCKS, 0, -1):
        start = len(keys) - number * block
        judging = keys[start : start + block]
        taken = [*keys[max(0, start - size) : start], *judging]
        rows = frame[rows_in(dataset, frame, taken)]
        fitted = fit(model, dataset, split(model, dataset, rows, judging))
        losses.append(fitted.metrics[PROPER[model.task]])
    return float(np.mean(losses))


def _chosen(ledger: Ledger, model: ModelSpec, last: str) -> Choice | None:
    """The newest choice that still holds on a day; none where its half-life is one that the model cannot follow."""
    for decision in ledger.decisions(model.name, Topic.WINDOW):
        age = moment_of(last) - moment_of(str(decision.figures["partition"]))
        if timedelta() <= age < HOLDS:
            # Choices of before knew no half-life.
            fades = decision.figures.get("half_life")
            window = int(decision.figures["window"] or ALL)
            half_life = None if fades is None else str(fades)
            choice = Choice(window, decision.reason, {}, half_life)
            return choice if choice.suits(model) else None
    return None


def _record(ledger: Ledger, model: str, last: str, choice: Choice) -> Decision:
    figures: Figures = {
        "partition": last,
        "window": choice.window,
        "half_life": choice.half_life,
    }
    # A figure's name is one word.
    words = {name: "_".join(name.replace(",", "").split()) for name in choice.losses}
    figures |= {f"loss_{words[name]}": loss for name, loss in choice.losses.items()}
    return ledger.record_decision(
        entity=model,
        topic=Topic.WINDOW,
        action=Action.CHOSEN,
        reason=choice.reason,
        figures=figures,
        # One that is void is replaced on the same day, by one without a half-life.
        id=f"window:{model}:{last}:{choice.half_life or 'alike'}",
    )


def with_window(model: ModelSpec, window: int) -> ModelSpec:
    """The model with another window, in partitions."""
    return with_training(model, window=window, window_days=None)


def with_half_life(model: ModelSpec, half_life: str) -> ModelSpec:
    """The model with rows that count half as much for each such span of age."""
    return with_training(model, half_life=half_life)
