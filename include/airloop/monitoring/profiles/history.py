"""The reference's days as profiles: how much days differ by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import pandas as pd

from airloop.contracts import Contract
from airloop.figures import Figure
from airloop.monitoring.profiles import ties
from airloop.monitoring.profiles.contents import Hashes, contents, hashes, likeness
from airloop.monitoring.profiles.layout import Layout, layout
from airloop.monitoring.profiles.profile import (
    TOPS,
    WHOLE,
    Key,
    Profile,
    Tops,
    profile,
    related,
    sample,
)
from airloop.monitoring.profiles.ties import only_here
from airloop.monitoring.profiles.values import least_unlike
from airloop.monitoring.sketch import Floats
from airloop.specs import DatasetSpec, ModelSpec

#: A column of which some day had more numbers that no other day had is not written on a grid.
MAX_NEW = 0.25


class History(Contract):
    """Days × figures, with what of each day is needed besides."""

    layout: Layout
    days: tuple[str, ...]
    rows: tuple[int, ...]
    keys: tuple[Key, ...]
    values: tuple[tuple[Figure, ...], ...]
    tops: dict[str, tuple[Tops, ...]]
    contents: tuple[tuple[int, ...], ...]
    #: The largest likeness of any two of the days.
    likeness: float
    #: Of each number the least that two near days differ in its values, as a share.
    unlike: dict[str, float] = {}
    #: The dataset's calendar of holidays.
    holidays: str | None = None

    @cached_property
    def matrix(self) -> Floats:
        """Days × figures, NaN where one cannot be told."""
        return np.array(self.values, dtype=np.float64).reshape(len(self.days), len(self.keys))

    @cached_property
    def index(self) -> Mapping[Key, int]:
        """Where a figure stands."""
        return {key: place for place, key in enumerate(self.keys)}

    def series(self, key: Key) -> Floats:
        """One figure, day by day."""
        return self.matrix[:, self.index[key]]

    def known(self, key: Key) -> Floats:
        """The same of the days that have it."""
        series = self.series(key)
        return series[np.isfinite(series)]

    def row(self, one: Profile) -> Floats:
        """A day's figures in this order."""
        return np.array([one.of(key) for key in self.keys], dtype=np.float64)

    def beside(self, now: DatasetSpec) -> History:
        """The same by the names that the dataset's columns have now, without those that it no longer has."""
        present = now.present_names
        if not present and set(self.layout.columns) <= set(now.columns):
            return self.model_copy(update={"holidays": now.holidays})
        fixed = self.layout.beside(now)
        there = {*fixed.columns, WHOLE}
        places = {}
        for place, (column, what) in enumerate(self.keys):
            sign, than = (what[:2], what[2:]) if related(what) else ("", what)
            name = present.get(column, column)
            other = present.get(than, than) if sign else than
            if name in there and (not sign or other in there):
                places[name, sign + other] = place
        return History(
            layout=fixed,
            days=self.days,
            rows=self.rows,
            keys=tuple(places),
            values=tuple(tuple(day[place] for place in places.values()) for day in self.values),
            tops={present.get(name, name): tops for name, tops in self.tops.items()},
            contents=self.contents,
            likeness=self.likeness,
            unlike={present.get(name, name): least for name, least in self.unlike.items()},
            holidays=now.holidays,
        )


def gather(
    model: ModelSpec,
    dataset: DatasetSpec,
    frame: pd.DataFrame,
    parts: Sequence[tuple[str, pd.DataFrame]],
) -> History:
    """Profile the days of a reference.

    :param parts: the frame's rows, day by day
    """
    fixed = layout(model, dataset, frame)
    samples = [sample(rows, fixed) for _, rows in parts]
    found = [
        profile(fixed, some, contents(hashes(rows, fixed.contents)))
        for some, (_, rows) in zip(samples, parts, strict=True)
    ]
    values = figures(found)
    for name, known in fixed.known.items():
        if (name, "new") in values:
            values[name, "new"] = _only_here([rows[name] for _, rows in parts], known)
            if max(values[name, "new"]) > MAX_NEW:
                del values[name, "new"]
    for tie in fixed.ties:
        values[tie.key] = only_here([rows for _, rows in parts], tie)
        if max(values[tie.key]) > ties.MAX_NEW:
            del values[tie.key]
    return told(dataset, fixed, [day for day, _ in parts], found, samples, values)


def told(
    dataset: DatasetSpec,
    fixed: Layout,
    days: Sequence[str],
    found: Sequence[Profile],
    samples: Sequence[pd.DataFrame],
    values: Mapping[Key, Sequence[float]],
) -> History:
    """What a reference keeps of its days.

    :param found: each day's figures
    :param samples: the rows that they are from
    :param values: by figure, day by day
    """
    keys = tuple(values)
    return History(
        layout=fixed,
        days=tuple(days),
        rows=tuple(one.rows for one in found),
        keys=keys,
        values=tuple(tuple(_short(values[key][day]) for key in keys) for day in range(len(days))),
        tops={name: tuple(_tops(one, name) for one in found) for name in fixed.numbers},
        contents=tuple(tuple(one.contents.tolist()) for one in found),
        likeness=_alike([one.contents for one in found]),
        unlike=_unlike(samples, fixed.numbers),
        holidays=dataset.holidays,
    )


def figures(found: Sequence[Profile]) -> dict[Key, list[float]]:
    """Each figure, day by day."""
    seen = dict.fromkeys(key for one in found for key in one.values)
    return {key: [one.of(key) for one in found] for key in seen}


def _only_here(days: Sequence[pd.Series], known: Sequence[float]) -> list[float]:
    """Of each day the share of numbers that no other day has: new, had this day been the night."""
    counted = np.zeros((len(days), len(known)))
    for row, values in zip(counted, days, strict=True):
        finite = values.to_numpy(dtype=np.float64, na_value=np.nan)
        places = np.searchsorted(known, finite[np.isfinite(finite)])
        row += np.bincount(np.minimum(places, len(known) - 1), minlength=len(known))
    alone = (counted > 0).sum(axis=0) == 1
    # As on a night: beyond all other days' numbers nothing is strange.
    often = np.flatnonzero(~alone)
    if len(often):
        alone[: often[0]] = alone[often[-1] :] = False
    totals = np.maximum(counted.sum(axis=1), 1)
    return list(counted[:, alone].sum(axis=1) / totals)


def _alike(contents: Sequence[Hashes]) -> float:
    pairs = (
        likeness(one, other)
        for place, one in enumerate(contents)
        for other in contents[max(0, place - 7) : place]
    )
    return max(pairs, default=0.0)


def _tops(of: Profile, name: str) -> Tops:
    return tuple((value, round(share, 5)) for value, share in of.tops.get(name, ())[:TOPS])


def _unlike(samples: Sequence[pd.DataFrame], names: Sequence[str]) -> dict[str, float]:
    return {name: round(least_unlike([some[name] for some in samples]), 5) for name in names}


def _short(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None
