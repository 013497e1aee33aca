"""The values of one column that differ, and what may be said of values of any type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from airloop.types.column import ColumnType

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
#: What differs, and for which of the rows it says all.
Told = tuple[str, Mask]

#: Types that are numbers to who compares them.
NUMBERS: Final = frozenset({ColumnType.INTEGER, ColumnType.FLOAT, ColumnType.DECIMAL})
#: A column of fewer values than this one's has nothing that its rows could have exchanged.
FEW: Final = 5
#: So much of what was sent must be among what was delivered for the rows to have exchanged it.
MOST: Final = 0.95
#: A table of codes is told by rows that are so many times as many as its entries.
_ROWS_A_CODE: Final = 3
#: Entries of a table of codes that a sentence names.
_NAMED: Final = 3


@dataclass(frozen=True)
class Unlike:
    """One column's values in the rows in which they differ: as they were sent, and as they were delivered."""

    name: str
    kind: ColumnType
    sent: Sequence[Any]
    delivered: Sequence[Any]

    def __len__(self) -> int:
        return len(self.sent)

    @cached_property
    def absent(self) -> Mask:
        """Where nothing was sent."""
        return np.array([one is None for one in self.sent], np.bool_)

    @cached_property
    def filled(self) -> Mask:
        """Where nothing was delivered."""
        return np.array([one is None for one in self.delivered], np.bool_)

    @cached_property
    def numbers(self) -> tuple[Floats, Floats]:
        """Both sides as numbers, of a column of such."""
        return _numbers(self.sent), _numbers(self.delivered)


def _numbers(values: Sequence[Any]) -> Floats:
    return np.array([np.nan if one is None else float(one) for one in values], np.float64)


def absences(of: Unlike) -> Iterator[Told]:
    """What is missing on one side."""
    yield "missing", of.absent
    yield "a value where none was delivered", of.filled


def stand_in(of: Unlike) -> Iterator[Told]:
    """One value in place of others."""
    counted = Counter(_hashable(one) for one in of.sent if one is not None)
    if counted:
        value, _ = counted.most_common(1)[0]
        same = np.array([_hashable(one) == value for one in of.sent], np.bool_)
        if len({_hashable(one) for one, is_same in zip(of.delivered, same, strict=True) if is_same}) > 1:  # fmt: skip
            yield f"{shown(value)} in place of others", same


def recoded(of: Unlike) -> Iterator[Told]:
    """Another word for each value."""
    pairs = Counter(
        (_hashable(delivered), _hashable(sent))
        for delivered, sent in zip(of.delivered, of.sent, strict=True)
        if delivered is not None and sent is not None
    )
    table: dict[Any, Any] = {}
    for (delivered, sent), _ in pairs.most_common():
        table.setdefault(delivered, sent)
    if not table or len(of) < _ROWS_A_CODE * len(table):
        return
    named = ", ".join(f"{shown(one)} → {shown(table[one])}" for one in [*table][:_NAMED])
    more = ", …" if len(table) > _NAMED else ""
    same = [
        one is not None and _hashable(sent) == table.get(_hashable(one))
        for one, sent in zip(of.delivered, of.sent, strict=True)
    ]
    yield f"another coding ({named}{more})", np.array(same, np.bool_)


def of_other_rows(of: Unlike) -> Iterator[Told]:
    """Values that are the column's, of other rows."""
    sent, delivered = (Counter(_hashable(one) for one in side) for side in (of.sent, of.delivered))
    if len(delivered) >= FEW and (sent & delivered).total() >= MOST * len(of):
        yield "values of other rows", np.ones(len(of), np.bool_)


def shown(value: Any) -> str:
    """A value as a sentence shows it: short, whatever it is."""
    told = f"{value:g}" if isinstance(value, float) else repr(value) if isinstance(value, str) else str(value)  # fmt: skip
    return told if len(told) <= 24 else f"{told[:22]}…"


def _hashable(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_hashable, value))
    return tuple(value.items()) if isinstance(value, dict) else value
