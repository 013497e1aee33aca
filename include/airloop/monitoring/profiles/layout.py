"""What is profiled of a model's data: its inputs, its target, and the times of its rows."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np
import pandas as pd

from airloop.contracts import Contract
from airloop.monitoring.profiles.absences import companions
from airloop.monitoring.profiles.ties import Tie, closest, ties
from airloop.monitoring.sketch import MAX_CATEGORIES, Floats, Kind, kind_of, numbers_of
from airloop.partition import Cadence
from airloop.specs import DatasetSpec, ModelSpec
from airloop.types.column import ColumnType

#: A column with more distinct numbers than this is taken as continuous.
MAX_NUMBERS = 2_000
#: So many rows for each distinct number, at least, before a number that was never seen is news.
ROWS_PER_NUMBER = 20
#: Categories whose share is followed; the others are followed together.
FOLLOWED = 50
#: Pairs of numbers of which the order is followed.
MAX_PAIRS = 60


class Layout(Contract):
    """The columns, and what of them is fixed by the reference."""

    numbers: tuple[str, ...]
    #: The categories that are followed, the most frequent first.
    categories: dict[str, tuple[str, ...]]
    #: Moments that belong to a partition.
    times: tuple[str, ...] = ()
    #: The date that says which partition a row is of, where there is one.
    day: str | None = None
    target: str
    #: Of several values the columns of the others' truths.
    others: tuple[str, ...] = ()
    inputs: tuple[str, ...]
    #: Numbers whose ranges overlap: which of the two is the larger, in most rows?
    pairs: tuple[tuple[str, str], ...] = ()
    #: All numbers that the reference holds, of the columns that have few.
    known: dict[str, tuple[float, ...]] = {}
    #: Columns whose values come in few pairs.
    ties: tuple[Tie, ...] = ()
    #: Columns that are often missing, and by which others' values rows are alike in that.
    companions: dict[str, tuple[str, ...]] = {}

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns that the truth is known from."""
        return (self.target, *self.others)

    @property
    def contents(self) -> tuple[str, ...]:
        """What makes two rows the same: the inputs, but for the date, which a copy has anew."""
        named = (*self.numbers, *self.categories)
        return tuple(name for name in named if name not in self.targets)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is looked at."""
        day = (self.day,) if self.day else ()
        return tuple(dict.fromkeys((*self.numbers, *self.categories, *self.times, *day)))

    def beside(self, now: DatasetSpec) -> Layout:
        """The same by the names that columns have now, without those that are no more."""
        present = now.present_names

        def named(names: Iterable[str]) -> tuple[str, ...]:
            return tuple(name for one in names if (name := present.get(one, one)) in now.columns)

        return Layout(
            numbers=named(self.numbers),
            categories={
                present.get(one, one): kept for one, kept in self.categories.items() if named([one])
            },
            times=named(self.times),
            day=next(iter(named([self.day])), None) if self.day else None,
            target=present.get(self.target, self.target),
            others=tuple(present.get(one, one) for one in self.others),
            inputs=named(self.inputs),
            pairs=tuple((both[0], both[1]) for pair in self.pairs if len(both := named(pair)) == 2),
            ties=tuple(
                one.model_copy(update={"column": both[0], "other": both[1]})
                for one in self.ties
                if len(both := named((one.column, one.other))) == 2
            ),
            companions={
                every[0]: every[1:]
                for name, others in self.companions.items()
                if len(every := named((name, *others))) == 1 + len(others)
            },
            known={present.get(one, one): kept for one, kept in self.known.items() if named([one])},
        )


def layout(model: ModelSpec, dataset: DatasetSpec, frame: pd.DataFrame) -> Layout:
    """Fix by the rows of the reference what is followed from night to night."""
    there = [name for name in (*model.inputs, *model.targets) if name in frame]
    kinds = {name: kind_of(dataset.columns[name]) for name in there if name in dataset.columns}
    numbers = tuple(name for name, kind in kinds.items() if kind is Kind.NUMERIC)
    categories = tuple(name for name, kind in kinds.items() if kind is Kind.CATEGORY)
    times = tuple(
        name
        for name, column in dataset.columns.items()
        if column.type is ColumnType.TIMESTAMP and name in frame and name not in dataset.keys
    )
    daily = dataset.cadence is Cadence.DAY and dataset.key_column in frame
    values = {name: numbers_of(frame[name])[0] for name in numbers}
    known = {name: few for name, one in values.items() if (few := _few(one))}
    inputs = tuple(name for name in there if name not in model.targets)
    texts = [name for name in categories if name in inputs]
    return Layout(
        numbers=numbers,
        categories={name: _frequent(frame[name]) for name in categories},
        times=times if daily else (),
        day=dataset.key_column if daily else None,
        target=model.targets[0],
        others=model.targets[1:],
        inputs=inputs,
        pairs=_pairs({name: values[name] for name in numbers if name not in model.targets}),
        known=known,
        ties=closest(ties(frame, texts, [name for name in known if name in inputs])),
        companions=companions(
            frame,
            frame[dataset.key_column],
            [name for name in numbers if name in inputs],
            [name for name in (*numbers, *categories) if name in inputs],
        ),
    )


def _frequent(values: pd.Series) -> tuple[str, ...]:
    found = values[values.notna()].astype(str).value_counts()
    ordered = sorted(found.items(), key=lambda item: (-int(item[1]), str(item[0])))
    return tuple(str(name) for name, _ in ordered[: min(FOLLOWED, MAX_CATEGORIES)])


def _few(values: Floats) -> tuple[float, ...]:
    finite = values[np.isfinite(values)]
    distinct = np.unique(finite)
    few = len(distinct) <= min(MAX_NUMBERS, len(finite) / ROWS_PER_NUMBER)
    return tuple(distinct.tolist()) if few else ()


def _pairs(values: dict[str, Floats]) -> tuple[tuple[str, str], ...]:
    ranges = {
        name: np.quantile(one[np.isfinite(one)], (0.05, 0.95))
        for name, one in values.items()
        if np.isfinite(one).any()
    }
    overlapping = (
        (a, b)
        for a, b in combinations(ranges, 2)
        if ranges[a][0] <= ranges[b][1] and ranges[b][0] <= ranges[a][1]
    )
    return tuple(overlapping)[:MAX_PAIRS]
