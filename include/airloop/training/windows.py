"""How much history a training takes, where the spec leaves it open: the window that has predicted best what came next.

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
from airloop.training.fitted import fit
from airloop.training.validation import with_training
from airloop.vocabulary import Action, Topic

log = logging.getLogger("airloop.windows")

#: What is chosen among, beside all history.
SPANS = ("30d", "60d", "120d", "365d")
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
    """A window in partitions, why, and the loss of each that was tried."""

    window: int
    reason: str
    losses: dict[str, float]


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
    if (window := _chosen(ledger, model.name, last)) is not None:
        return with_window(model, window)
    choice = choose(lake, model, dataset, there, until)
    log.info("%s", choice.reason)
    _record(ledger, model.name, last, choice)
    return with_window(model, choice.window)


def known(ledger: Ledger, model: ModelSpec, dataset: DatasetSpec, last: str) -> ModelSpec:
    """The model with the window that was chosen last; for who must not spend a choice."""
    if not model.training.auto or not dataset.cadence.timed:
        return model
    window = _chosen(ledger, model.name, last)
    return model if window is None else with_window(model, window)


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
    losses = {name: _loss(model, dataset, frame, keys, size, block) for name, size in sizes.items()}
    # Of equals the shorter, which is the cheaper: they stand in that order.
    best = min(losses, key=lambda name: losses[name])
    figures = ", ".join(f"{name} {loss:.4f}" for name, loss in losses.items())
    reason = f"window {best}: {PROPER[model.task]} of the next {block} {dataset.cadence}s, {BLOCKS} times: {figures}"
    return Choice(sizes[best], reason, losses)


def _sizes(dataset: DatasetSpec, first: int) -> dict[str, int]:
    """The windows that differ before the first block, the shortest first; none where no two do."""
    found = {span: spanned(span, dataset.cadence) for span in SPANS}
    shorter = {span: size for span, size in found.items() if size < first}
    return shorter | {"all": ALL} if shorter else {}


def _loss(
    model: ModelSpec,
    dataset: DatasetSpec,
    frame: pd.DataFrame,
    keys: Sequence[str],
    size: int,
    block: int,
) -> float:
    """The mean over the blocks, each predicted from the window before it."""
    losses = []
    for number in range(BLOCKS, 0, -1):
        start = len(keys) - number * block
        judging = keys[start : start + block]
        taken = [*keys[max(0, start - size) : start], *judging]
        rows = frame[rows_in(dataset, frame, taken)]
        fitted = fit(model, dataset, split(model, dataset, rows, judging))
        losses.append(fitted.metrics[PROPER[model.task]])
    return float(np.mean(losses))


def _chosen(ledger: Ledger, model: str, last: str) -> int | None:
    """The newest choice that still holds on a day."""
    for decision in ledger.decisions(model, Topic.WINDOW):
        age = moment_of(last) - moment_of(str(decision.figures["partition"]))
        if timedelta() <= age < HOLDS:
            return int(decision.figures["window"] or ALL)
    return None


def _record(ledger: Ledger, model: str, last: str, choice: Choice) -> Decision:
    figures: Figures = {"partition": last, "window": choice.window}
    figures |= {f"loss_{name}": loss for name, loss in choice.losses.items()}
    return ledger.record_decision(
        entity=model,
        topic=Topic.WINDOW,
        action=Action.CHOSEN,
        reason=choice.reason,
        figures=figures,
        id=f"window:{model}:{last}",
    )


def with_window(model: ModelSpec, window: int) -> ModelSpec:
    """The model with another window, in partitions."""
    return with_training(model, window=window, window_days=None)
