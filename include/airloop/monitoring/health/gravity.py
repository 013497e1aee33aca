"""Which of a column's moves say more than a storm, a frost or a fog does."""

from __future__ import annotations

import numpy as np

from airloop.monitoring.health.variation import Move
from airloop.monitoring.profiles.history import History
from airloop.monitoring.profiles.profile import (
    CAPPED,
    FLOORED,
    PLACES,
    QUANTILES,
    ROUND,
    WITHIN,
    Profile,
)
from airloop.monitoring.profiles.ties import SIGN

#: Less of these than ever is no fault.
UPWARD = {
    "missing", "scattered", "new", "other", "one value", "outside", "repeated", CAPPED, FLOORED, WITHIN,
}  # fmt: skip
#: Figures that move together when a column moves, and how many of them must.
CENTRAL = ("mean", *QUANTILES)
MIN_CENTRAL = 3
OF_SIZE = {*PLACES, "spread", WITHIN}
#: What says nothing of a column that is mostly one number.
OF_OTHERS = {*OF_SIZE, "zero", "negative", CAPPED, FLOORED}
#: So many of the rows lie at an end that is cut, at least.
LEAST_CUT = 0.08
#: By how much a truth must be beyond what is let pass of an input.
STORM = 3.0

#: So many figures of a time must agree.
MIN_TIMES = 2
#: Of the values that were there on the worst of days, so many are gone.
LOST = 0.15
#: So many rows more are otherwise than those like them.
SCATTERED = 0.1
#: So many rows more have one value than on any day.
RISEN = 0.25
#: Such a part of the numbers is strange, at least.
MOSTLY_NEW = 0.5
#: A column with this share of one number is mostly that, unless it has so few numbers that it is of categories.
MOSTLY, FEW = 0.5, 5


def upward(what: str) -> bool:
    """Whether less of a figure than ever is no fault."""
    return what in UPWARD or what.startswith(SIGN)


def no_cut(move: Move, history: History, night: Profile) -> bool:
    """Whether the figure of an end, or of rows of one moment, says nothing.

    That few rows have a day's highest (or lowest) number, or that they have it because it is the column's own: the air holds
    no more water; and a jump to where the reference's days have been.
    """
    name, what = move.key
    if what in {CAPPED, FLOORED, WITHIN} and move.value <= move.high:
        return True
    if what in {CAPPED, FLOORED} and move.value < LEAST_CUT:
        return True
    if what == CAPPED:
        return bool(night.of((name, "highest")) >= np.nanmax(history.series((name, "highest"))))
    if what == FLOORED:
        return bool(night.of((name, "lowest")) <= np.nanmin(history.series((name, "lowest"))))
    return False


def grave(name: str, of: list[Move], history: History) -> list[Move]:
    """A column's moves, if they say more than one quantile by itself does.

    One storm moves a truth further than two months of days; what breaks a truth moves it further still.
    """
    if name in history.layout.targets:
        of = [move for move in of if move.key[1] not in OF_SIZE or move.excess > STORM]
    if name in history.layout.numbers and sum(m.key[1] in CENTRAL for m in of) < MIN_CENTRAL:
        of = [move for move in of if move.key[1] not in CENTRAL]
    if _of_one_number(name, history):
        of = [move for move in of if move.key[1] not in OF_OTHERS]
    if name in history.layout.times and len(of) < MIN_TIMES:
        return [move for move in of if move.key[1] == "missing" and _matters(move)]
    return [move for move in of if _matters(move)]


def _of_one_number(name: str, history: History) -> bool:
    """Whether a column is mostly one number, and else any: no rain, or the farthest view. Its storms are like no other."""
    if (name, "one value") not in history.index:
        return False
    known = history.known((name, "one value"))
    usual = float(np.median(known)) if len(known) else 0.0
    few = 0 < len(history.layout.known.get(name, ())) <= FEW
    return usual >= MOSTLY and not few


def _matters(move: Move) -> bool:
    what = move.key[1]
    if what in ROUND:
        # That all of them are is told by itself (`grids.py`).
        return False
    if what in {"lowest", "highest"}:
        return move.excess > STORM
    if what == "new":
        return move.value > MOSTLY_NEW
    if what == "missing":
        return (move.value - move.high) / (1 - move.high) >= LOST
    if what == "scattered":
        return move.value - move.high >= SCATTERED
    if what in {"zero", "one value"}:
        return abs(move.value - move.high) >= RISEN or move.value < move.low
    if what == "negative":
        # Frost is none; but a number that had both signs has them still.
        return move.value < move.low or move.low > 0
    return True
