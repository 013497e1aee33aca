"""What callers sent met with what was delivered: the rows of one partition that have the same keys, value by value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from airloop.columns import MODEL_VERSION
from airloop.data.lake.words import Words
from airloop.data.parting import Parted, each_once, partners, parts_for, words_of
from airloop.monitoring.asked.values import differ
from airloop.specs.dataset import DatasetSpec
from airloop.types.registry import type_of

Mask = npt.NDArray[np.bool_]
#: Rows that differ which are looked at for the reason why.
SAMPLE: Final = 20_000


@dataclass
class Tally:
    """What was compared of the rows that one version answered."""

    matched: int = 0
    differing: Counter[str] = field(default_factory=Counter)
    #: Rows that lack a value.
    absent: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Met:
    """One partition's asked rows beside the delivered ones."""

    #: Rows that were asked about, each that is the same once.
    asked: int
    matched: int
    versions: Mapping[int, Tally]
    #: Of the rows that differ some, evenly spaced: as they were sent, and as they were delivered.
    sent: pa.Table
    delivered: pa.Table
    #: In which of these each column differs.
    differs: Mapping[str, Mask]
    #: Of every row that differs the word of its keys, and in which columns it does, a bit each in their order.
    words: Words
    bits: Words
    columns: tuple[str, ...]

    @property
    def alone(self) -> int:
        """Rows that were asked about and not delivered."""
        return self.asked - self.matched

    def spoiled(self, columns: Sequence[str]) -> Words:
        """The words of the keys of the rows that differ in some columns, in order."""
        bits = [1 << self.columns.index(name) for name in columns]
        return np.unique(self.words[(self.bits & np.uint64(sum(bits))) != 0])


class Meeting:
    """Both sides put aside by their keys, then compared part by part.

    :param columns: the inputs that are compared, of types that are the dataset's; the first 64 are
    :param rows: how many will come, of both sides together
    :param seen: is told all that was asked, each row that is the same once
    """

    def __init__(
        self,
        dataset: DatasetSpec,
        columns: Sequence[str],
        rows: int,
        seen: Callable[[pa.Table], None] = lambda _: None,
    ) -> None:
        self._seen = seen
        self._keys = dataset.keys
        self.columns = tuple(columns[:64])
        names = [*dict.fromkeys([*dataset.keys, *self.columns])]
        kinds = {name: dataset.columns[name] for name in names}
        fields = [pa.field(name, type_of(one).arrow(one)) for name, one in kinds.items()]
        self._parts = parts_for(rows)
        version = pa.field(MODEL_VERSION, pa.int64())
        #: The columns that are compared, and the keys.
        self.schema = pa.schema(fields)
        self._sent = Parted(pa.schema([*fields, version]), self._keys, self._parts)
        self._delivered = Parted(self.schema, self._keys, self._parts)

    def ask(self, rows: pa.RecordBatch) -> None:
        """Put aside what was sent, with the version that answered."""
        self._sent.add(rows)

    def deliver(self, rows: pa.RecordBatch) -> None:
        """Put aside what was delivered."""
        self._delivered.add(rows)

    def met(self) -> Met:
        """The comparison of all rows."""
        parts = [*self._each()]
        tallies: dict[int, Tally] = {}
        for part in parts:
            for version, tally in part.tallies.items():
                mine = tallies.setdefault(version, Tally())
                mine.matched += tally.matched
                mine.differing.update(tally.differing)
                mine.absent.update(tally.absent)
        sent, delivered = (pa.concat_tables(part.pairs[of] for part in parts) for of in (0, 1))
        shown = np.concatenate([part.shown for part in parts])
        return Met(
            asked=sum(part.asked for part in parts),
            matched=sum(tally.matched for tally in tallies.values()),
            versions=tallies,
            sent=sent,
            delivered=delivered,
            differs={
                name: (shown & np.uint64(1 << place)) != 0
                for place, name in enumerate(self.columns)
            },
            words=np.concatenate([part.words for part in parts]),
            bits=np.concatenate([part.bits for part in parts]),
            columns=self.columns,
        )

    def _each(self) -> Iterator[_Part]:
        for number in range(self._parts):
            sent, delivered = each_once(self._sent.take(number)), self._delivered.take(number)
            self._seen(sent)
            sides = _side_by_side(sent, delivered, self._keys)
            yield _compared(sent.num_rows, sides, self.columns, SAMPLE // self._parts)


@dataclass(frozen=True)
class _Sides:
    """Rows side by side, and the words of their keys."""

    sent: pa.Table
    delivered: pa.Table
    words: Words


@dataclass(frozen=True)
class _Part:
    asked: int
    tallies: Mapping[int, Tally]
    #: Some of the rows that differ: sent, and delivered; and in which columns each does.
    pairs: tuple[pa.Table, pa.Table]
    shown: Words
    #: The same of all that differ, and the words of their keys.
    bits: Words
    words: Words


def _side_by_side(sent: pa.Table, delivered: pa.Table, keys: Sequence[str]) -> _Sides:
    """The rows that both have."""
    if not sent.num_rows or not delivered.num_rows:
        return _Sides(sent.slice(0, 0), delivered.slice(0, 0), np.array([], np.uint64))
    asked, there = words_of(sent, keys), words_of(delivered, keys)
    found, places = partners(asked, there)
    mine = sent.filter(pa.array(found))
    theirs = delivered.take(pa.array(places[found]))
    # Words may be the same where keys are not.
    same = ~reduce(np.logical_or, (differ(mine[name], theirs[name]) for name in keys))
    if not same.all():
        mine, theirs = mine.filter(pa.array(same)), theirs.filter(pa.array(same))
    return _Sides(mine, theirs, asked[found][same])


def _compared(asked: int, sides: _Sides, columns: Sequence[str], most: int) -> _Part:
    """:param most: rows that differ of which the values are kept"""
    unlike = {name: differ(sides.sent[name], sides.delivered[name]) for name in columns}
    shifted = (
        mask.astype(np.uint64) << np.uint64(place) for place, mask in enumerate(unlike.values())
    )
    bits: Words = reduce(add, shifted, np.zeros(len(sides.words), np.uint64))
    places = np.flatnonzero(bits)
    some = places[:: max(1, -(-len(places) // most))]
    pairs = (sides.sent.take(pa.array(some)), sides.delivered.take(pa.array(some)))
    told = _by_version(sides.sent, unlike)
    return _Part(asked, told, pairs, bits[some], bits[places], sides.words[places])


def _by_version(sent: pa.Table, unlike: Mapping[str, Mask]) -> dict[int, Tally]:
    versions = sent[MODEL_VERSION].to_numpy()
    absent = {name: np.asarray(sent[name].is_null(), np.bool_) for name in unlike}
    found = {}
    for version in np.unique(versions).tolist():
        mine = versions == version
        differing, lacking = (
            Counter({name: int((mask & mine).sum()) for name, mask in of.items()})
            for of in (unlike, absent)
        )
        found[version] = Tally(int(mine.sum()), differing, lacking)
    return found
