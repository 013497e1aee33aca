"""What rows hold, as one hash each: equal rows are found in a day, and one day's rows in another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Hashes = npt.NDArray[np.uint64]
#: Of each day only the smallest hashes are kept: two days' likeness is told from them to a few per cent.
KEPT = 64
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
#: Half of a hash is enough to tell a thousand rows apart, and half as long in the reference.
_HALF = np.uint64(32)
#: Hashes in order that are looked through at a time, for the smallest.
_SOME = 10_000


def hashes(frame: pd.DataFrame, columns: Sequence[str]) -> Hashes:
    """A hash of each row's values in these columns."""
    result: Hashes = np.zeros(len(frame), dtype=np.uint64)
    for name in columns:
        bits = _bits(frame[name]) if name in frame else np.uint64(1)
        result = (result ^ bits) * _PRIME
        result ^= result >> _SHIFT
    return result


def paired(frame: pd.DataFrame, one: str, other: str) -> Hashes:
    """A hash of two columns' values, of each row that has both."""
    both = frame[[one, other]].dropna()
    return hashes(both, (one, other)) >> _HALF


@dataclass(frozen=True)
class Contents:
    """What is kept of a day's hashes."""

    rows: int
    #: The share of rows that were there already.
    repeated: float
    #: The smallest distinct hashes.
    smallest: Hashes


def contents(of: Hashes) -> Contents:
    """What is kept of a day's hashes, which are brought into order where they lie."""
    of.sort()
    again = duplicates(of)
    distinct, start = np.array([], dtype=np.uint64), 0
    while len(distinct) < KEPT and start < len(of):
        some = of[start : start + _SOME] >> _HALF
        distinct, start = np.unique(np.concatenate([distinct, some])), start + _SOME
    return Contents(len(of), 1 - (len(of) - again) / len(of) if len(of) else 0.0, distinct[:KEPT])


def duplicates(ordered: npt.NDArray[np.uint64]) -> int:
    """How many of some hashes in order were there already."""
    return int(np.count_nonzero(ordered[1:] == ordered[:-1]))


def likeness(one: Hashes, other: Hashes) -> float:
    """The share of rows that two days have in common, of all that either has."""
    both = np.union1d(one, other)[:KEPT]
    if not len(both):
        return 0.0
    return float((np.isin(both, one) & np.isin(both, other)).mean())


def _bits(values: pd.Series) -> Hashes:
    if pd.api.types.is_numeric_dtype(values.dtype):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan) + 0.0
        numbers[np.isnan(numbers)] = np.nan
        return numbers.view(np.uint64)
    codes, texts = pd.factorize(values.astype(object))
    hashed = pd.util.hash_array(np.array([str(text) for text in texts], dtype=object))
    return np.append(hashed.astype(np.uint64), np.uint64(0))[codes]
