"""How much history a training takes, where the spec leaves it open: the window that has predicted best what came next.

With all history goes the question whether its rows count alike, or less the older they are.

Prequential (Dawid, 1984): each window is fitted on the days before a block and judged on the block, for a few blocks one
after the other, by a proper score. The days held out for the gates are not among them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from airloop.data.lake.lake import Lake
from airloop.data.needed import read_needed
from airloop.data.rows import rows_in
from airloop.data.snapshot import choose_days, split
from airloop.data.unsound import sound
from airloop.durations import spanned
from airloop.evaluation.metrics import PROPER
from airloop.ledger import Ledger
from airloop.specs import DatasetSpec, ModelSpec
from airloop.training.choice import can_weigh
from airloop.training.chosen import ALL, Choice, newest, record, with_half_life, with_window
from airloop.training.fitted import fit

log = logging.getLogger("airloop.windows")

#: What is chosen among, beside all history.
SPANS = ("30d", "60d", "120d", "365d")
#: In how long a row of all history loses half of its weight, where that is tried.
HALF_LIVES = ("30d", "120d")
#: Blocks that judge, each as long as the gates' holdout.
BLOCKS = 3
#: Histories of more rows are not tried: a choice must not cost more than the training that it is for.
MAX_ROWS = 2_000_000


def settled(
    ledger: Ledger,
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    until: str | None,
    as_of: datetime | None = None,
) -> ModelSpec:
    """The model with its window chosen, and the choice on record; as it is where the spec says one.

    :param as_of: by what lake and ledger knew at a moment; such a choice is of the past, and none that holds from now on
    :raises DataError: if there is too little history to train at all
    """
    if not model.training.auto or not dataset.cadence.timed:
        return model
    there = sound(ledger, model, dataset, lake.partitions(dataset.name, as_of), as_of)
    last = choose_days(with_window(model, ALL), dataset, there, until).all[-1]
    if (earlier := newest(ledger, model, last, as_of)) is not None:
        return earlier.applied(model)
    choice = choose(lake, model, dataset, there, until, as_of)
    log.info("%s", choice.reason)
    if as_of is None:
        record(ledger, model.name, last, choice)
    return choice.applied(model)


def known(
    ledger: Ledger,
    model: ModelSpec,
    dataset: DatasetSpec,
    last: str,
    as_of: datetime | None = None,
) -> ModelSpec:
    """The model with the window that was chosen last; for who must not spend a choice."""
    if not model.training.auto or not dataset.cadence.timed:
        return model
    choice = newest(ledger, model, last, as_of)
    return model if choice is None else choice.applied(model)


def choose(
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    there: Sequence[str],
    until: str | None,
    as_of: datetime | None = None,
) -> Choice:
    """Try every window that the history can tell apart.

    :param there: the partitions that may be learned from
    :raises DataError: if there is too little history to train at all
    """

    def rows(keys: Sequence[str]) -> int:
        return lake.snapshot(dataset.name, keys, as_of).rows

    def read(keys: Sequence[str]) -> pd.DataFrame:
        return read_needed(lake, model, dataset, lake.snapshot(dataset.name, keys, as_of))

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
    reason = f"window {best}: {PROPER[model.goal]} of the next {block} {dataset.cadence}s, {BLOCKS} times: {figures}"
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
        losses.append(fitted.metrics[PROPER[model.goal]])
    return float(np.mean(losses))
