"""One-pass, mergeable summaries of a column: how its values fall into bins fixed by the reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from airloop.contracts import Contract
from airloop.types.column import Column
from airloop.types.registry import type_of

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_Key = TypeVar("_Key")

#: Ten quantile bins: the convention of the population stability index.
BINS = 10
#: Categories kept by name; the rarer ones are counted together.
MAX_CATEGORIES = 200
#: Edges need not be exact quantiles, only fixed: a strided sample of this many values is enough.
EDGE_SAMPLE = 100_000


class Kind(StrEnum):
    """How a column's distribution is summarised."""

    NUMERIC = "numeric"
    CATEGORY = "category"
    #: A date always moves on: only its missing values are counted.
    TIME = "time"


@lru_cache(maxsize=256)
def days_of(counts: tuple[tuple[int, ...], ...], size: int) -> Integers:
    """Each day's counts as one array, read-only: a night asks for each column's many times, a replay thousands of times."""
    found = np.array(counts, dtype=np.int64).reshape(-1, size)
    found.flags.writeable = False
    return found


def kind_of(column: Column) -> Kind:
    """How a column is summarised; truth values are counted as 0 and 1."""
    return Kind(type_of(column).binned)


class Bins(Contract):
    """Where one column is cut. Bins of numbers are closed on the left; the last of categories is "other"."""

    column: str
    kind: Kind
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    #: There were more categories than are kept: "other" is no news then.
    truncated: bool = False

    @property
    def size(self) -> int:
        """How many bins there are."""
        return len(self.edges if self.kind is Kind.NUMERIC else self.categories) + 1


@dataclass(frozen=True)
class Counts:
    """What was counted of one column. Counts of the same bins add up."""

    bins: Integers
    rows: int
    missing: int = 0
    infinite: int = 0
    #: Values of another type than the column's: text in a number, a number in a text.
    wrong: int = 0
    low: float = np.inf
    high: float = -np.inf
    #: The sum of the finite values.
    total: float = 0.0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            bins=self.bins + other.bins,
            rows=self.rows + other.rows,
            missing=self.missing + other.missing,
            infinite=self.infinite + other.infinite,
            wrong=self.wrong + other.wrong,
            low=min(self.low, other.low),
            high=max(self.high, other.high),
            total=self.total + other.total,
        )

    @property
    def present(self) -> int:
        """The values that fell into a bin."""
        return int(self.bins.sum())

    @property
    def mean(self) -> float | None:
        """The mean of the finite values of a numeric column."""
        return self.total / self.present if self.present and self.low < np.inf else None

    @property
    def missing_share(self) -> float:
        """The share of rows without a value; of no rows, all."""
        return self.missing / self.rows if self.rows else 1.0

    @property
    def constant(self) -> bool:
        """Whether all present values are the same."""
        return self.low == self.high if self.low < np.inf else np.count_nonzero(self.bins) == 1


def cut(column: str, kind: Kind, values: pd.Series) -> Bins:
    """Fix the bins of a column by the values of its reference."""
    if kind is Kind.NUMERIC:
        return Bins(column=column, kind=kind, edges=_edges(numbers_of(values)[0]))
    if kind is Kind.CATEGORY:
        found = sorted(_tally(values)[0].items(), key=lambda item: (-item[1], item[0]))
        names = tuple(name for name, _ in found[:MAX_CATEGORIES])
        return Bins(column=column, kind=kind, categories=names, truncated=len(found) > len(names))
    return Bins(column=column, kind=kind)


def count(bins: Bins, values: pd.Series) -> Counts:
    """Count one batch of a column, in one pass."""
    if bins.kind is Kind.NUMERIC:
        return _count_numbers(bins, values)
    if bins.kind is Kind.CATEGORY:
        return _count_categories(bins, values)
    missing = int(values.isna().sum())
    return Counts(np.array([len(values) - missing]), rows=len(values), missing=missing)


def merged(one: Mapping[_Key, Counts], other: Mapping[_Key, Counts]) -> dict[_Key, Counts]:
    """Counts of several columns added up, with those that one side alone has."""
    return {**one, **other, **both(one, other)}


def both(one: Mapping[_Key, Counts], other: Mapping[_Key, Counts]) -> dict[_Key, Counts]:
    """Counts of several columns added up, of those that both sides have."""
    # In the order of the one: that of a set is another in every process, and with it that of columns that moved alike.
    return {name: counts + other[name] for name, counts in one.items() if name in other}


def _edges(numbers: Floats) -> tuple[float, ...]:
    """Inner quantiles; a value that fills much of a bin by itself gets a bin of its own."""
    finite = numbers[np.isfinite(numbers)]
    if not len(finite):
        return ()
    sample = np.sort(finite[:: max(1, len(finite) // EDGE_SAMPLE)])
    edges: set[float] = set()
    for value in np.unique(sample[(np.arange(1, BINS) * len(sample)) // BINS]):
        first, last = np.searchsorted(sample, [value, np.nextafter(value, np.inf)])
        edges.add(float(value))
        if last - first > len(sample) / (2 * BINS):
            edges.add(float(np.nextafter(value, np.inf)))
    return tuple(sorted(edges))


def numbers_of(values: pd.Series) -> tuple[Floats, int]:
    """The values as floats, NaN where there is no number, and how many were something else than numbers."""
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values.to_numpy(dtype=np.float64, na_value=np.nan), 0
    if values.dtype != object and not pd.api.types.is_string_dtype(values.dtype):
        return np.full(len(values), np.nan), int(values.notna().sum())
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    text = np.fromiter((isinstance(value, str) for value in values), bool, len(values))
    wrong = values.notna().to_numpy() & (np.isnan(numbers) | text)
    return np.where(wrong, np.nan, numbers), int(wrong.sum())


def _count_numbers(bins: Bins, values: pd.Series) -> Counts:
    numbers, wrong = numbers_of(values)
    absent = int(np.count_nonzero(np.isnan(numbers)))
    above = below = 0
    low, high = np.inf, -np.inf
    if absent < len(numbers):
        low, high = float(np.fmin.reduce(numbers)), float(np.fmax.reduce(numbers))
    infinite = np.isinf(low) or np.isinf(high)
    if infinite:
        above, below = int((numbers == np.inf).sum()), int((numbers == -np.inf).sum())
    # Ten comparisons of a batch in the cache take a fifth of a binary search per value. NaN is above nothing.
    beyond = [int(np.count_nonzero(numbers >= edge)) for edge in bins.edges]
    finite = len(numbers) - absent - above - below
    at_least = np.array([finite, *(number - above for number in beyond), 0])
    if infinite or absent:
        numbers = numbers[np.isfinite(numbers)]
    return Counts(
        at_least[:-1] - at_least[1:],
        rows=len(values),
        missing=absent - wrong,
        infinite=above + below,
        wrong=wrong,
        low=low,
        high=high,
        total=float(numbers.sum()),
    )


def _count_categories(bins: Bins, values: pd.Series) -> Counts:
    tally, missing, wrong = _tally(values)
    known = np.array([tally.pop(name, 0) for name in bins.categories], dtype=np.int64)
    other = sum(tally.values())
    return Counts(np.append(known, other), rows=len(values), missing=missing, wrong=wrong)


def _tally(values: pd.Series) -> tuple[dict[str, int], int, int]:
    """How often each text occurs, how many values are missing, and how many are not texts."""
    if values.dtype != object and not isinstance(
        values.dtype, (pd.StringDtype, pd.CategoricalDtype)
    ):
        return {}, int(values.isna().sum()), int(values.notna().sum())
    try:
        found = pc.value_counts(pa.array(values, type=pa.string(), from_pandas=True))
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return _tally_slowly(values)
    tally = dict(
        zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True)
    )
    missing = int(tally.pop(None, 0))
    return tally, missing, 0


def _tally_slowly(values: pd.Series) -> tuple[dict[str, int], int, int]:
    """As :func:`_tally`, for a column in which not every value is a text."""
    text = np.fromiter((isinstance(value, str) for value in values), bool, len(values))
    tally = {str(name): int(number) for name, number in values[text].value_counts().items()}
    missing = int(values.isna().sum())
    return tally, missing, len(values) - missing - int(text.sum())
