"""Great Expectations' own metrics, counted batch by batch with Arrow instead of on one pandas frame.

Each class counts what the GX metric of the same name counts, so that GX's expectation can give the verdict.
All but uniqueness need no memory beyond the batch at hand; uniqueness keeps eight bytes a row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airloop.data.lake.words import Words, words_of_numbers, words_of_texts


class Metric(Protocol):
    """A number that grows with each batch."""

    def add(self, batch: pa.RecordBatch) -> None:
        """Count a batch's rows."""

    def total(self) -> int:
        """The count so far."""


class RowCount:
    """``table.row_count``."""

    def __init__(self) -> None:
        self._total = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Count a batch's rows."""
        self._total += batch.num_rows

    def total(self) -> int:
        """The count so far."""
        return self._total


class Unexpected:
    """A metric that counts the values of one column for which a test is true; missing ones never are."""

    def __init__(self, column: str, test: Callable[[pa.Array], pa.Array]) -> None:
        self.column, self._test, self._total = column, test, 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Count a batch's unexpected values."""
        self._total += pc.sum(self.failed(batch)).as_py() or 0

    def failed(self, rows: pa.RecordBatch | pa.Table) -> pa.Array:
        """Which rows have an unexpected value."""
        return pc.fill_null(self._test(rows.column(self.column)), False)

    def total(self) -> int:
        """The count so far."""
        return self._total


class Duplicates:
    """``column_values.unique``: the values that stand more than once, each time they do.

    Equal values have equal words; different ones may share a word. So words that are all different prove
    uniqueness, and only the values under a shared word are looked at again, one by one.
    """

    def __init__(self, column: str) -> None:
        self._column = column
        #: One after the other: a list of arrays would be held twice where it is sorted.
        self._words = bytearray()
        self._suspects: Words | None = None
        self._values: Counter[Any] = Counter()

    def add(self, batch: pa.RecordBatch) -> None:
        """Keep a word for each value; on the second pass, the values of the shared words."""
        values = pc.drop_null(batch.column(self._column))
        words = words_of_texts(values)[0] if _is_text(values.type) else words_of_numbers(values)
        if self._suspects is None:
            self._words += words.tobytes()
        else:
            shared = values.filter(pa.array(np.isin(words, self._suspects)))
            self._values.update(shared.to_pylist())

    def needs_second_pass(self) -> bool:
        """Whether words are shared; from then on :meth:`add` compares values."""
        words = np.frombuffer(self._words, np.uint64)
        self._words = bytearray()
        words.sort()
        self._suspects = np.unique(words[1:][words[1:] == words[:-1]])
        return bool(self._suspects.size)

    def total(self) -> int:
        """The count after the second pass; nothing was shared where there was none."""
        return sum(count for count in self._values.values() if count > 1)


def metric_for(
    name: str, column: str | None, arguments: Mapping[str, Any], schema: pa.Schema
) -> Metric | None:
    """The counter of a GX metric over rows of a schema; None where only GX itself can compute it."""
    if name == "table.row_count":
        return RowCount()
    if column is None or column not in schema.names:
        return None
    kind = schema.field(column).type
    match name.removesuffix(".unexpected_count"):
        case "column_values.nonnull":
            return Unexpected(column, lambda values: pc.is_null(values, nan_is_null=True))
        case "column_values.between" if _is_number(kind):
            return _between(column, arguments, int | float)
        case "column_values.between" if _is_temporal(kind):
            return _between(column, arguments, datetime)
        case "column_values.in_set":
            return _in_set(column, kind, arguments)
        case "column_values.unique" if _is_number(kind) or _is_text(kind):
            return Duplicates(column)
    return None


def _between(column: str, arguments: Mapping[str, Any], like: Any) -> Metric | None:
    low, high = arguments.get("min_value"), arguments.get("max_value")
    if not all(bound is None or isinstance(bound, like) for bound in (low, high)):
        return None
    too_low = pc.less_equal if arguments.get("strict_min") else pc.less
    too_high = pc.greater_equal if arguments.get("strict_max") else pc.greater

    def outside(values: pa.Array) -> pa.Array:
        tests = [
            test(values, bound)
            for test, bound in ((too_low, low), (too_high, high))
            if bound is not None
        ]
        return tests[0] if len(tests) == 1 else pc.or_(*tests)

    return Unexpected(column, outside)


def _in_set(column: str, kind: pa.DataType, arguments: Mapping[str, Any]) -> Metric | None:
    # pandas compares what is unlike by rules of its own: GX itself then says what is in the set.
    like: Any = str if _is_text(kind) else (int, float) if _is_number(kind) else ()
    like = datetime if _is_temporal(kind) else like
    wanted = arguments.get("value_set") or ()
    if not all(isinstance(one, like) and not isinstance(one, bool) for one in wanted):
        return None
    try:
        allowed = pa.array(list(arguments["value_set"])).cast(kind)
    except (pa.ArrowException, KeyError, TypeError):
        return None
    return Unexpected(
        column,
        lambda values: pc.and_(pc.is_valid(values), pc.invert(pc.is_in(values, value_set=allowed))),
    )


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _is_temporal(kind: pa.DataType) -> bool:
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
