"""Whether a column was sent with the values of another column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from airloop.monitoring.asked.unlike import Mask, Told
from airloop.monitoring.asked.values import differ

#: How much oftener than by chance two columns must agree, as a part of the rows that chance leaves.
BEYOND: Final = 0.2


def others(name: str, sent: pa.Table, delivered: pa.Table, rows: Mask) -> Iterator[Told]:
    """The other columns whose delivered values were sent under this name, in rows in which it differs."""
    chosen = pa.array(rows)
    mine, own = sent[name].filter(chosen), delivered[name].filter(chosen)
    for other in sent.schema.names:
        if other == name or other not in delivered.schema.names:
            continue
        theirs = delivered[other].filter(chosen)
        if not _comparable(mine.type, theirs.type):
            continue
        same = ~differ(mine, theirs)
        if not beyond_chance(same, mine, theirs):
            continue
        both = same & ~differ(sent[other].filter(chosen), own)
        if both.sum() >= same.sum() / 2:
            yield f"exchanged with {other}", both
        else:
            yield f"the values of {other}", same


def _comparable(one: pa.DataType, other: pa.DataType) -> bool:
    numbers = [pa.types.is_floating(kind) or pa.types.is_integer(kind) for kind in (one, other)]
    return one == other or all(numbers)


def beyond_chance(same: Mask, mine: pa.ChunkedArray, theirs: pa.ChunkedArray) -> bool:
    """Whether they agree in more rows than two columns of their values would by chance."""
    if not same.any():
        return False
    chance = _agreement(mine.to_pylist(), theirs.to_pylist())
    return bool(same.mean() >= chance + BEYOND * (1 - chance))


def _agreement(one: Sequence[Any], other: Sequence[Any]) -> float:
    left, right = (Counter(map(str, side)) for side in (one, other))
    return sum(left[value] * right[value] for value in left) / max(1, len(one) * len(other))
