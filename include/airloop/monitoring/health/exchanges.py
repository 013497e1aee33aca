"""Whether two columns have changed places."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np
import pandas as pd

from airloop.monitoring.health.variation import Move
from airloop.monitoring.profiles.history import History
from airloop.monitoring.profiles.profile import QUANTILES, Profile, larger
from airloop.monitoring.sketch import numbers_of

#: The other column's range, widened by this part of it and of its spread, must hold all quantiles.
WITHIN = 0.25
#: An order that changed in fewer rows is a day's own.
LEAST_ORDER = 0.2
#: Changed back, the share of rows in which one is the larger is usual, give or take this part of its range.
ROOM = 0.1
#: Most of a column's texts must be the other's.
MOST = 0.9
HALF = 0.5


def exchanged(one: str, other: str, history: History, night: Profile, rows: pd.DataFrame) -> bool:
    """Whether each of two numeric columns looks tonight as the other did."""
    looks = _looks_as(one, other, history, night) and _looks_as(other, one, history, night)
    return (
        looks
        and _on_its_grid(rows[one], other, history)
        and _on_its_grid(rows[other], one, history)
    )


def of_order(move: Move) -> bool:
    """Whether a figure is news that says which of two numbers is the larger, and in many rows more or fewer."""
    beyond = max(move.value - move.high, move.low - move.value)
    return move.key[1].startswith("> ") and beyond >= LEAST_ORDER


def restores(one: str, other: str, broken: Iterable[Move], rows: pd.DataFrame) -> bool:
    """Whether all orders of two numbers that are news, and of which one is a part, are usual once the two change back."""
    back = {one: other, other: one}
    mine = [move for move in broken if {move.key[0], move.key[1][2:]} & {one, other}]
    return bool(mine) and all(_usual(move, back, rows) for move in mine)


def holds(
    one: str, other: str, strange: Collection[str], history: History, rows: pd.DataFrame
) -> bool:
    """Whether a column of which most numbers are strange has left its own numbers in the other."""
    for name, held in ((one, other), (other, one)):
        known = history.layout.known.get(name)
        values = rows[held]
        if name in strange and known and float(values[values.notna()].isin(known).mean()) > MOST:
            return True
    return False


def _usual(move: Move, back: Mapping[str, str], rows: pd.DataFrame) -> bool:
    names = (move.key[0], move.key[1][2:])
    first, second = (numbers_of(rows[back.get(name, name)])[0] for name in names)
    room = ROOM * (move.high - move.low) + ROOM / 10
    return move.low - room <= larger(first, second) <= move.high + room


def exchanged_texts(one: str, other: str, history: History, rows: pd.DataFrame) -> bool:
    """Whether each of two columns of texts holds the other's."""
    known = history.layout.categories
    return _holds(rows[one], known[other], known[one]) and _holds(
        rows[other], known[one], known[other]
    )


def _looks_as(name: str, model: str, history: History, night: Profile) -> bool:
    now = np.array([night.of((name, what)) for what in QUANTILES])
    then = history.matrix[:, [history.index[model, what] for what in QUANTILES]]
    with np.errstate(all="ignore"):
        low, high = np.fmin.reduce(then, axis=0), np.fmax.reduce(then, axis=0)
    room = WITHIN * np.maximum(high - low, _spread(model, history))
    return bool(((now >= low - room) & (now <= high + room)).all())


def _on_its_grid(values: pd.Series, model: str, history: History) -> bool:
    """Whether the numbers are such as the other column has, where that has few."""
    known = history.layout.known.get(model)
    return not known or float(values[values.notna()].isin(known).mean()) > HALF


def _spread(name: str, history: History) -> float:
    known = history.known((name, "spread"))
    return float(np.exp(np.median(known))) if len(known) else 0.0


def _holds(values: pd.Series, theirs: tuple[str, ...], own: tuple[str, ...]) -> bool:
    present = values[values.notna()].astype(str)
    return len(present) > 0 and bool(
        present.isin(theirs).mean() > max(MOST * present.isin([*theirs, *own]).mean(), 0.5)
    )
