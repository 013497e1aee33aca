"""One day as it was seen: sketches of its columns on the reference's bins, hashes of its rows, and some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd

from airloop.monitoring.profiles.contents import Contents, contents, duplicates, hashes
from airloop.monitoring.profiles.layout import Layout
from airloop.monitoring.profiles.profile import Profile, profile, sample
from airloop.monitoring.reference import Reference
from airloop.monitoring.sketch import Counts, both, count

_NONE: Final = contents(np.array([], dtype=np.uint64))


@dataclass(frozen=True)
class Day:
    """What was seen of one day."""

    rows: int
    columns: Mapping[str, Counts]
    #: Columns of the reference that the rows lack.
    absent: frozenset[str]
    #: Rows whose keys were there already.
    duplicates: int = 0
    #: What is kept of the hashes of its rows' values.
    contents: Contents = _NONE
    #: The rows that figures are taken from.
    sample: pd.DataFrame = field(default_factory=pd.DataFrame)

    def profile(self, layout: Layout) -> Profile:
        """The day in figures."""
        # A frozen class has no cache but its own dictionary; a day is asked about for one reference only.
        if "_profile" not in self.__dict__:
            self.__dict__["_profile"] = profile(layout, self.sample, self.contents)
        found: Profile = self.__dict__["_profile"]
        return found


EMPTY: Final = Day(rows=0, columns={}, absent=frozenset())


@dataclass(frozen=True)
class Glimpse:
    """What is kept of some rows of a day; a part of it can be computed anywhere."""

    rows: int
    columns: Mapping[str, Counts]
    absent: frozenset[str]
    #: Hashes of the rows' keys, and of their values.
    keys: bytes
    contents: bytes
    #: Of a reference without a history no row is kept.
    sample: pd.DataFrame | None


def glimpse(
    reference: Reference, keys: Sequence[str], frame: pd.DataFrame, seen: int, rows: int
) -> Glimpse:
    """Sketch rows on the reference's bins.

    :param keys: the columns that name a row
    :param seen: how many of the day's rows came before these
    :param rows: how many the day has
    """
    bins = [column.bins for column in reference.columns]
    layout = None if reference.health is None else reference.health.layout
    hashed = pd.util.hash_pandas_object(frame[[*keys]], index=False)
    return Glimpse(
        rows=len(frame),
        columns={one.column: count(one, frame[one.column]) for one in bins if one.column in frame},
        absent=frozenset(one.column for one in bins if one.column not in frame),
        keys=hashed.to_numpy(np.uint64).tobytes(),
        contents=hashes(frame, layout.contents if layout else ()).tobytes(),
        sample=None if layout is None else sample(frame, layout, seen, rows),
    )


class Seen:
    """A day's rows while they come: beside a batch sixteen bytes a row are held, and as many rows as figures need.

    :param keys: the columns that name a row
    :param rows: how many will come
    """

    def __init__(self, reference: Reference, keys: Sequence[str], rows: int) -> None:
        self._reference, self._names, self._rows = reference, [*keys], rows
        self._seen = 0
        #: One after the other: lists of arrays would be held twice where they are joined.
        self._keys, self._contents = bytearray(), bytearray()
        self._absent: set[str] = set()
        self._columns: Mapping[str, Counts] | None = None
        self._sampled: list[pd.DataFrame] = []

    def add(self, frame: pd.DataFrame) -> None:
        """Take the next rows."""
        self.take(glimpse(self._reference, self._names, frame, self._seen, self._rows))

    def take(self, one: Glimpse) -> None:
        """Take what is kept of the next rows."""
        self._absent |= one.absent
        counted = one.columns
        self._columns = counted if self._columns is None else both(self._columns, counted)
        self._keys += one.keys
        self._contents += one.contents
        if one.sample is not None:
            self._sampled.append(one.sample)
        self._seen += one.rows

    def day(self) -> Day:
        """The day, once all of it came."""
        if self._columns is None:
            return EMPTY
        keys = np.frombuffer(self._keys, np.uint64)
        keys.sort()
        return Day(
            rows=self._seen,
            columns=self._columns,
            absent=frozenset(self._absent),
            duplicates=duplicates(keys),
            contents=contents(np.frombuffer(self._contents, np.uint64)),
            sample=pd.concat(self._sampled) if self._sampled else pd.DataFrame(),
        )


def observe(reference: Reference, frame: pd.DataFrame, keys: Sequence[str]) -> Day:
    """Sketch all rows of one day."""
    seen = Seen(reference, keys, len(frame))
    seen.add(frame)
    return seen.day()
