"""Values that are missing together: a broken instrument leaves out an hour, a broken feed one row here and one there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from airloop.monitoring.profiles.contents import hashes
from airloop.monitoring.sketch import Floats

Flags = npt.NDArray[np.bool_]
#: A column that was never missing in more rows of a day needs no closer look.
OFTEN = 0.1
#: Rows that have the same value of another column are alike if they explain all of the absence but this part ...
UNEXPLAINED = 0.1
#: ... and if so many rows are alike to another, at least.
COVERED = 0.8
#: Told from the first days with so many rows.
ROWS = 50_000
_DAY = "airloop: day"


def companions(
    frame: pd.DataFrame, days: pd.Series, columns: Sequence[str], others: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """For each column that is often missing the one or two others by whose values rows are alike in that.

    :param days: the partition of each row
    """
    codes, _ = pd.factorize(days)
    some = codes <= codes[min(len(codes), ROWS) - 1] if len(codes) else np.array([], dtype=bool)
    part, codes = frame[some], codes[some]
    result = {}
    for name in columns:
        gone = part[name].isna().to_numpy()
        worst, expected = _by_day(gone, codes)
        if worst <= OFTEN or not expected:
            continue
        named = [(other,) for other in others if other != name]
        found = _unexplained(part, codes, gone, named)
        if not found:
            continue
        first = min(found, key=lambda one: (found[one], one))
        both = [(*first, other) for (other,) in named if other not in first]
        found |= _unexplained(part, codes, gone, both)
        best = min(found, key=lambda one: (found[one], len(one), one))
        if found[best] <= UNEXPLAINED * expected:
            result[name] = best
    return result


def _unexplained(
    part: pd.DataFrame,
    days: npt.NDArray[np.intp],
    gone: Flags,
    named: Sequence[tuple[str, ...]],
) -> dict[tuple[str, ...], float]:
    """What is scattered among rows that are alike by these columns, of those by which rows are alike at all."""
    found = {}
    for names in named:
        of = groups_of(part.assign(**{_DAY: days}), (_DAY, *names))
        share = scattered(gone, of)
        if share == share and _alike(of) >= COVERED:
            found[names] = share
    return found


def scattered(gone: Flags, groups: npt.NDArray[np.int64]) -> float:
    """The share of rows that are otherwise than most rows like them, in lacking a value or having one; NaN of no such.

    :param groups: which rows are alike; those of -1 are like no other
    """
    known = groups >= 0
    sizes = np.bincount(groups[known])
    lacking = np.bincount(groups[known], weights=gone[known])
    several = sizes > 1
    rows = sizes[several].sum()
    odd = np.minimum(lacking, sizes - lacking)[several].sum()
    return float(odd / rows) if rows else float("nan")


def groups_of(rows: pd.DataFrame, names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Rows that have the same values of some columns; -1 where one of them is missing."""
    codes, _ = pd.factorize(hashes(rows, names))
    return np.where(rows[[*names]].isna().any(axis=1).to_numpy(), -1, codes).astype(np.int64)


def _by_day(gone: Flags, days: npt.NDArray[np.intp]) -> tuple[float, float]:
    """The largest share of a day, and what would be scattered if all rows of a day were alike."""
    sizes = np.bincount(days)
    lacking = np.bincount(days, weights=gone)
    there = sizes > 0
    shares: Floats = lacking[there] / sizes[there]
    return float(shares.max()), float(np.minimum(lacking, sizes - lacking).sum() / sizes.sum())


def _alike(groups: npt.NDArray[np.int64]) -> float:
    """The part of all rows that are like another."""
    sizes = np.bincount(groups[groups >= 0])
    return float(sizes[sizes > 1].sum() / len(groups)) if len(groups) else 0.0
