"""Which columns callers send otherwise than they are delivered, and what became of their values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Final

import numpy as np
import pyarrow as pa

from airloop.findings import Skew
from airloop.monitoring.asked.earlier import Earlier, alongside, values_of
from airloop.monitoring.asked.exchanged import others
from airloop.monitoring.asked.meeting import Met
from airloop.monitoring.asked.moments import moved
from airloop.monitoring.asked.numbers import converted, shortened
from airloop.monitoring.asked.texts import rewritten
from airloop.monitoring.asked.unlike import (
    NUMBERS,
    Mask,
    Told,
    Unlike,
    absences,
    of_other_rows,
    recoded,
    stand_in,
)
from airloop.specs.dataset import DatasetSpec
from airloop.specs.sections.watching import SkewSpec
from airloop.types.column import ColumnType

#: How sure it is that more rows differ than may: one-sided, in standard deviations (Wilson, 1927).
_SURE: Final = 2.326
#: Reasons that are named of one column, and the least part of its rows that one must explain.
_REASONS: Final = 3
_LEAST: Final = 0.1
_LEAST_ROWS: Final = 5
_MOMENTS: Final = frozenset({ColumnType.DATE, ColumnType.TIMESTAMP, ColumnType.TIME})


def skewed(met: Met, spec: SkewSpec, champion: int) -> tuple[str, ...]:
    """The columns of which too many rows differ for it to be chance or corrections.

    :param champion: whose inputs the columns are; a version that was never sent one of them has no such input
    """
    return tuple(
        name
        for name in met.columns
        if name not in spec.may_differ and _too_many(*_share(met, name, champion), spec)
    )


def skews_of(
    met: Met,
    spec: SkewSpec,
    dataset: DatasetSpec,
    champion: int,
    before: str,
    read: Callable[[list[str]], Iterable[pa.RecordBatch]],
) -> tuple[Skew, ...]:
    """The columns that callers send otherwise, each with what became of its values.

    :param before: the partition before the night's; empty where there is none
    :param read: some columns of its rows
    """
    names = skewed(met, spec, champion)
    earlier = alongside(met, names, dataset, before, read) if names and before else None
    return tuple(_skew(met, name, dataset, champion, earlier) for name in names)


def _share(met: Met, name: str, champion: int) -> tuple[int, int]:
    """Rows that differ in a column, and all that were compared."""
    told = [met.versions[one] for one in _asked_with(met, name, champion)]
    return sum(one.differing[name] for one in told), sum(one.matched for one in told)


def _asked_with(met: Met, name: str, champion: int) -> list[int]:
    return [
        version
        for version, one in met.versions.items()
        if version == champion or one.absent[name] < one.matched
    ]


def _too_many(differing: int, rows: int, spec: SkewSpec) -> bool:
    if rows < spec.min_rows:
        return False
    share, squared = differing / rows, _SURE**2
    spread = _SURE * np.sqrt(share * (1 - share) / rows + squared / (4 * rows**2))
    low = (share + squared / (2 * rows) - spread) / (1 + squared / rows)
    return bool(low > spec.max_share)


def _skew(
    met: Met, name: str, dataset: DatasetSpec, champion: int, earlier: Earlier | None
) -> Skew:
    differing, rows = _share(met, name, champion)
    versions = [
        one for one in _asked_with(met, name, champion) if met.versions[one].differing[name]
    ]
    what = tuple(_reasons(met, name, dataset, earlier)) or ("other values",)
    return Skew(name, what, differing, rows, tuple(sorted(versions)))


def _reasons(met: Met, name: str, dataset: DatasetSpec, earlier: Earlier | None) -> Iterator[str]:
    """What explains most of the rows, then most of the rest; a part of them with its share."""
    left = met.differs[name].copy()
    every = int(left.sum())
    for _ in range(_REASONS):
        if not left.any():
            return
        told = max(
            _told(met, name, dataset, left, earlier), key=lambda one: one[1].sum(), default=None
        )
        if told is None or told[1].sum() < max(_LEAST * every, min(_LEAST_ROWS, every)):
            break
        share = told[1].sum() / every
        yield told[0] if share > 1 - _LEAST / 2 else f"{told[0]} ({share:.0%} of these)"
        places = np.flatnonzero(left)
        left[places[told[1]]] = False
    if left.sum() >= max(_LEAST * every, _LEAST_ROWS) and left.sum() < every:
        yield f"other values ({left.sum() / every:.0%} of these)"


def _told(
    met: Met, name: str, dataset: DatasetSpec, rows: Mask, earlier: Earlier | None
) -> Iterator[Told]:
    """Everything that may be said of some rows; of what says as much the first is taken."""
    kind = dataset.columns[name].type
    sent, delivered = (
        of[name].filter(pa.array(rows)).to_pylist() for of in (met.sent, met.delivered)
    )
    of = Unlike(name, kind, sent, delivered)
    yield from absences(of)
    yield from stand_in(of)
    yield from others(name, met.sent, met.delivered, rows)
    if earlier is not None:
        yield from values_of(name, met.sent, earlier, rows)
    yield from _of_its_kind(of)
    yield from chain(recoded(of) if _has_codes(of) else (), of_other_rows(of))


def _of_its_kind(of: Unlike) -> Iterator[Told]:
    if of.kind in NUMBERS:
        yield from shortened(of)
        yield from converted(of)
    elif of.kind is ColumnType.STRING:
        yield from rewritten(of)
    elif of.kind in _MOMENTS:
        yield from moved(of)


def _has_codes(of: Unlike) -> bool:
    """Whether its values are words for something: of numbers only where they are few."""
    if of.kind not in NUMBERS:
        return of.kind in {ColumnType.STRING, ColumnType.BOOLEAN}
    return len(Counter(of.delivered)) <= 20
