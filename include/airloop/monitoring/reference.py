"""What a model's data looked like when it was trained: frozen in its artifact, compared with every night."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from airloop.columns import LABEL, PARTITION, PREDICTION
from airloop.contracts import Contract, Name
from airloop.data.labels import with_truths
from airloop.data.rows import keys_of
from airloop.data.snapshot import Part
from airloop.errors import ArtifactError, DataError
from airloop.figures import Figure, Metrics
from airloop.monitoring import costs
from airloop.monitoring.profiles.days import Days
from airloop.monitoring.profiles.history import History, gather
from airloop.monitoring.sketch import Bins, Counts, Integers, Kind, count, cut, days_of, kind_of
from airloop.specs import DatasetSpec, ModelSpec

#: The file's name in a model's artifact.
FILE = "reference.json"


class ColumnReference(Contract):
    """One column's bins and what was counted, in all and day by day."""

    bins: Bins
    counts: tuple[int, ...]
    missing: int
    #: A row of bins for each day: rows of one day resemble each other, so the day is the unit of chance.
    day_counts: tuple[tuple[int, ...], ...]
    day_missing: tuple[int, ...]
    #: The sums of the finite values, of a numeric column.
    day_totals: tuple[float, ...]

    @property
    def by_day(self) -> Integers:
        """Days × bins."""
        return days_of(self.day_counts, self.bins.size)

    @property
    def total(self) -> Counts:
        """All days together."""
        rows = sum(self.counts) + self.missing
        return Counts(np.array(self.counts, dtype=np.int64), rows=rows, missing=self.missing)


class Reference(Contract):
    """The reference profile of one trained model: ``reference.json`` in its artifact."""

    model: Name
    dataset: Name
    rows: int
    days: tuple[str, ...]
    day_rows: tuple[int, ...]
    columns: tuple[ColumnReference, ...]
    #: The label, where it is known: 0 and 1, or the value of a regression.
    label: ColumnReference | None = None
    label_mean: Figure = None
    #: The labels of several values instead, by their columns' names.
    labels: tuple[ColumnReference, ...] = ()
    #: The model's answers on its holdout, day by day.
    scores: ColumnReference | None = None
    #: The same where a row has several, a column each by its name in the prediction log.
    answers: tuple[ColumnReference, ...] = ()
    #: What they cost on each of its days.
    costs: dict[str, tuple[float, ...]] = {}
    #: The metrics on the holdout: what the model promised.
    holdout: Metrics = {}
    #: The days as profiles; None in a reference of before there were any.
    health: History | None = None

    @property
    def answered(self) -> dict[str, ColumnReference]:
        """What the model answered, by the columns of the prediction log; nothing where it is not known."""
        if self.scores is not None:
            return {PREDICTION: self.scores}
        return {one.bins.column: one for one in self.answers}

    @property
    def labelled(self) -> dict[str, ColumnReference]:
        """The labels, by the columns that monitoring has them in; nothing where they are not known."""
        return {LABEL: self.label} if self.label else {one.bins.column: one for one in self.labels}

    def column(self, name: str) -> ColumnReference:
        """One column's reference.

        :raises DataError: if the reference does not know the column
        """
        for column in self.columns:
            if column.bins.column == name:
                return column
        raise DataError(
            "the reference profile has no such column",
            value=name,
            where=f"reference of {self.model}",
            valid=[column.bins.column for column in self.columns],
        )


def beside(reference: Reference, now: DatasetSpec) -> Reference:
    """A reference by the names that the dataset's columns have now, without those that it no longer has."""
    columns = []
    for one in reference.columns:
        name = now.present_names.get(one.bins.column, one.bins.column)
        if name in now.columns:
            bins = one.bins.model_copy(update={"column": name})
            columns.append(one.model_copy(update={"bins": bins}))
    health = reference.health and reference.health.beside(now)
    return reference.model_copy(update={"columns": tuple(columns), "health": health})


def build(
    model: ModelSpec,
    dataset: DatasetSpec,
    frame: pd.DataFrame,
    scores: npt.ArrayLike | None = None,
    *,
    labels: npt.ArrayLike | None = None,
    holdout: Mapping[str, float] | None = None,
    held: Part | None = None,
) -> Reference:
    """Profile the rows a model was made from.

    :param frame: all rows of the snapshot, training and holdout: the inputs and the partition column
    :param scores: the model's answers on its holdout rows (not seen in training); any length
    :param labels: the truth of ``frame``'s rows, NaN where unknown
    :param holdout: the metrics on the holdout, by name, the gates' primary metric among them
    :param held: the holdout's rows, which ``scores`` answers; without them its days are not known
    :raises DataError: if the frame is empty or lacks an input
    """
    where = f"reference of {model.name}"
    lacking = [name for name in (*model.inputs, dataset.key_column) if name not in frame]
    if frame.empty or lacking:
        raise DataError("a reference needs rows with all inputs", value=lacking or 0, where=where)
    days = Days(dataset, frame)
    kinds = {name: kind_of(dataset.columns[name]) for name in model.inputs}
    columns = [_profile(frame[name], name, kinds[name], days) for name in model.inputs]
    answers = None if scores is None else _table(model, np.asarray(scores, dtype=np.float64))
    several = () if answers is None or PREDICTION in answers else tuple(map(str, answers))
    return Reference(
        model=model.name,
        dataset=dataset.name,
        rows=len(frame),
        days=days.keys,
        day_rows=days.rows,
        columns=tuple(columns),
        **({} if labels is None else _labels(model, np.asarray(labels, np.float64), days)),
        scores=None if answers is None or several else _scores(dataset, answers[PREDICTION], held),
        answers=()
        if answers is None
        else tuple(_scores(dataset, answers[name], held, name) for name in several),
        costs={} if answers is None or held is None else _costs(model, dataset, answers, held),
        holdout={name: float(value) for name, value in (holdout or {}).items()},
        health=gather(model, dataset, frame, days.parts(frame)),
    )


def write(reference: Reference, folder: Path) -> Path:
    """Write ``reference.json`` into an artifact's folder."""
    path = folder / FILE
    path.write_text(reference.model_dump_json(), encoding="utf-8")
    return path


def read(folder: Path) -> Reference:
    """Read an artifact's ``reference.json``; the caller has verified the bytes.

    :raises ArtifactError: if it is not there or not a reference
    """
    path = folder / FILE
    try:
        return Reference.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ArtifactError(
            "the model's reference profile cannot be read",
            value=type(error).__name__,
            where=str(path),
            remedy="train the model again: monitoring needs the profile of its data",
        ) from error


def _profile(values: pd.Series, name: str, kind: Kind, days: Days) -> ColumnReference:
    bins = cut(name, kind, values)
    return of_days(bins, [count(bins, part) for part in days.split(values)])


def of_days(bins: Bins, counted: Sequence[Counts]) -> ColumnReference:
    """A column by what was counted day by day."""
    return ColumnReference(
        bins=bins,
        counts=tuple(np.sum([one.bins for one in counted], axis=0).tolist()),
        missing=sum(one.missing for one in counted),
        day_counts=tuple(tuple(one.bins.tolist()) for one in counted),
        day_missing=tuple(one.missing for one in counted),
        day_totals=tuple(one.total for one in counted),
    )


def _labels(model: ModelSpec, told: npt.NDArray[np.float64], days: Days) -> dict[str, Any]:
    """One label with its mean, or those of several values."""
    if told.ndim > 1:
        named = zip(model.answer.labels, told.T, strict=True)
        return {"labels": tuple(_profile(pd.Series(v), n, Kind.NUMERIC, days) for n, v in named)}
    truth = pd.Series(told)
    mean = None if truth.isna().all() else float(truth.mean())
    return {"label": _profile(truth, "label", Kind.NUMERIC, days), "label_mean": mean}


def _table(model: ModelSpec, scores: npt.NDArray[np.float64]) -> pd.DataFrame:
    """The answers by their columns' names."""
    columns = model.answer.columns
    return pd.DataFrame(scores.reshape(-1, len(columns)), columns=list(columns))


def _scores(
    dataset: DatasetSpec, answers: pd.Series, held: Part | None, name: str = "score"
) -> ColumnReference:
    if held is None or not dataset.cadence.timed:
        return _whole(answers, name)
    return _profile(answers, name, Kind.NUMERIC, Days(dataset, held.frame))


def _costs(
    model: ModelSpec, dataset: DatasetSpec, answers: pd.DataFrame, held: Part
) -> dict[str, tuple[float, ...]]:
    """What the answers cost, day after day; of a delivery, which has no days, nothing."""
    if not dataset.cadence.timed:
        return {}
    keys = keys_of(dataset, held.frame).to_numpy(dtype=str)
    rows = with_truths(answers.assign(**{PARTITION: keys}), model.answer, held.truth)
    return costs.columns(costs.by_day(costs.by_partition(model.goal, rows, model.answer)).values())


def _whole(values: pd.Series, name: str) -> ColumnReference:
    """A column of which the days are not known."""
    bins = cut(name, Kind.NUMERIC, values)
    unknown = {"day_counts": (), "day_missing": (), "day_totals": ()}
    return of_days(bins, [count(bins, values)]).model_copy(update=unknown)
