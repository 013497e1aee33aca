"""Which values of two columns come together: a destination has its distances, and a carrier its destinations."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from airloop.contracts import Contract
from airloop.monitoring.profiles.contents import Hashes, paired
from airloop.monitoring.sketch import Floats

#: Two columns are tied if this part of all pairs that they could make occurs, at most ...
OF_ALL = 0.25
#: ... and if there are no more pairs than this, each of so many rows, at least.
MAX_PAIRS, ROWS_PER_PAIR = 2_000, 20
#: A day with more rows of pairs that no other day had: then new pairs are no news.
MAX_NEW = 0.01
#: Of the closest only so many are followed.
MAX_TIES = 10
#: Whether two columns may be tied is told from so many rows.
SAMPLE = 20_000
#: Before the other column's name, in a figure's.
SIGN = "~ "


class Tie(Contract):
    """Two columns, and the pairs of values that the reference has."""

    column: str
    other: str
    pairs: tuple[int, ...]

    @property
    def key(self) -> tuple[str, str]:
        """The figure: the share of rows whose pair was never seen."""
        return self.column, f"{SIGN}{self.other}"


def ties(
    frame: pd.DataFrame, texts: Sequence[str], numbers: Collection[str]
) -> Iterator[tuple[float, Tie]]:
    """The tied columns of a reference, with the part of all pairs that occurs.

    :param texts: columns of categories
    :param numbers: columns of few numbers
    """
    some = frame.iloc[:: max(1, len(frame) // SAMPLE)]
    kinds = {name: some[name].nunique() for name in (*texts, *numbers)}
    both = [*combinations(texts, 2), *((text, number) for text in texts for number in numbers)]
    for column, other in both:
        possible = OF_ALL * kinds[column] * kinds[other]
        if min(kinds[column], kinds[other]) < 2 or _kinds(some, column, other) > possible:
            continue
        found = np.unique(paired(frame, column, other))
        if len(found) <= min(MAX_PAIRS, possible, len(frame) / ROWS_PER_PAIR):
            part = len(found) / (kinds[column] * kinds[other])
            yield part, Tie(column=column, other=other, pairs=tuple(found.tolist()))


def closest(found: Iterator[tuple[float, Tie]]) -> tuple[Tie, ...]:
    """Those that say most."""
    ordered = sorted(found, key=lambda one: (one[0], one[1].key))
    return tuple(tie for _, tie in ordered[:MAX_TIES])


def strange(rows: pd.DataFrame, tie: Tie) -> float:
    """The share of a day's rows whose pair the reference has not; NaN without rows that have both values."""
    here = paired(rows, tie.column, tie.other)
    known = np.array(tie.pairs, dtype=np.uint64)
    return float(1 - np.isin(here, known).mean()) if len(here) else float("nan")


def only_here(days: Sequence[pd.DataFrame], tie: Tie) -> list[float]:
    """Of each day the share of rows with a pair that no other day has: new, had this day been the night."""
    known = np.array(tie.pairs, dtype=np.uint64)
    counted = np.zeros((len(days), len(known)))
    for row, frame in zip(counted, days, strict=True):
        places = np.searchsorted(known, paired(frame, tie.column, tie.other))
        row += np.bincount(places, minlength=len(known))
    return list(shares_of_one_day(counted))


def shares_of_one_day(counted: Floats) -> Floats:
    """Days × pairs: of each day the share of what no other day has."""
    alone = (counted > 0).sum(axis=0) == 1
    result: Floats = counted[:, alone].sum(axis=1) / np.maximum(counted.sum(axis=1), 1)
    return result


def _kinds(frame: pd.DataFrame, column: str, other: str) -> int:
    found: Hashes = np.unique(paired(frame, column, other))
    return len(found)
