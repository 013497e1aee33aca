"""Values that are missing together: a broken instrument leaves out an hour, a broken feed one row here and one there."""

from __future__ import annotations

from collections.abc import Collection, Sequence

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
COVERED = 0.5
#: Told from the first days with so many rows.
ROWS = 50_000


def companions(
    frame: pd.DataFrame, days: pd.Series, columns: Sequence[str], others: Collection[str]
) -> dict[str, str]:
    """For each column that is often missing the other one by whose value rows are alike in that.

    :param days: the partition of each row
    """
    codes, _ = pd.factorize(days)
    some = codes <= codes[min(len(codes), ROWS) - 1] if len(codes) else np.array([], dtype=bool)
    part = frame[some]
    groups = {name: _groups(part, codes[some], name) for name in others}
    result = {}
    for name in columns:
        gone = part[name].isna().to_numpy()
        worst, expected = _by_day(gone, codes[some])
        if worst <= OFTEN or not expected:
            continue
        found = {
            other: share / expected
            for other, of in groups.items()
            if other != name and (share := scattered(gone, of)) == share and _alike(of) >= COVERED
        }
        best = min(found, key=lambda other: (found[other], other), default=None)
        if best is not None and found[best] <= UNEXPLAINED:
            result[name] = best
    return result


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


def groups_of(rows: pd.DataFrame, name: str) -> npt.NDArray[np.int64]:
    """Rows of one day that have the same value of a column."""
    codes, _ = pd.factorize(rows[name])
    return codes.astype(np.int64)


def _groups(part: pd.DataFrame, days: npt.NDArray[np.intp], name: str) -> npt.NDArray[np.int64]:
    both = pd.DataFrame({"day": days, "value": part[name].to_numpy()})
    codes, _ = pd.factorize(hashes(both, ("day", "value")))
    return np.where(part[name].isna().to_numpy(), -1, codes).astype(np.int64)


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
