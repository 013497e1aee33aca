"""Late labels: what was predicted, joined with what came true."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from airloop.columns import (
    LABEL,
    MODEL_VERSION,
    PARTITION,
    PREDICTED_AT,
    PREDICTION,
    is_answer,
    is_label,
)
from airloop.data.lake.lake import Lake
from airloop.data.lake.renaming import bring_up_to_date, follow
from airloop.data.lake.streams import Rows, Stream
from airloop.data.schema import arrow_schema
from airloop.plugins.trainer import Output
from airloop.specs import DatasetSpec


@dataclass(frozen=True)
class Labelled:
    """Predictions with their truth. ``predicted`` counts rows, each asked-for row once."""

    #: The columns of the partition, the answer and the label, of the predictions whose truth is known.
    rows: pd.DataFrame
    predicted: int
    #: The truth table has their row ...
    matched: int

    @property
    def unmatched(self) -> int:
        """Predictions without a row in the truth."""
        return self.predicted - self.matched

    @property
    def unlabelled(self) -> int:
        """Predictions with a row that has no label: a flight that never arrived."""
        return self.matched - len(self.rows)


def predictions_of(
    lake: Lake,
    dataset: DatasetSpec,
    model: str,
    keys: Sequence[str],
    version: int,
    answers: Sequence[str] = (PREDICTION,),
) -> Rows:
    """One version's logged predictions of some partitions, a batch at a time; no rows where there are none.

    :param answers: the columns of what the version answers
    """
    columns = [*dict.fromkeys([*dataset.keys, PARTITION, *answers, PREDICTED_AT])]
    name = log_of(lake, dataset, model)
    there = sorted(set(keys) & set(lake.partitions(name)))
    ref = lake.snapshot(name, there) if there else None
    # Who answers by other columns than anybody has answered by has answered nothing yet.
    if ref is None or not {*answers} <= {*lake.schema(ref).names}:
        return Stream(pa.schema([pa.field(one, pa.string()) for one in columns]), 0, lambda _: ())
    schema, pinned = lake.schema(ref), ref

    def read(names: list[str]) -> Iterator[pa.RecordBatch]:
        for batch in lake.batches(pinned, [*names, MODEL_VERSION]):
            yield batch.filter(pc.equal(batch[MODEL_VERSION], version)).select(names)

    # Of other versions' answers there may be more: as a bound it will do.
    return Stream(pa.schema([schema.field(one) for one in columns]), ref.rows, read)


def log_of(lake: Lake, dataset: DatasetSpec, model: str) -> str:
    """The table of what callers asked, once it has the names and types that the dataset has now; it need not be there."""
    name = f"predictions__{model}"
    bring_up_to_date(lake, name)
    follow(lake, name, arrow_schema(dataset))
    return name


def join(predictions: pd.DataFrame, truths: pd.DataFrame, keys: Sequence[str]) -> Labelled:
    """Join by the keys that name a row. One asked for twice counts once, with its last answer.

    :param predictions: ``keys``, partition, what was answered, and when it was predicted
    :param truths: ``keys``, partition and label, or one for each of several values
    :param keys: :attr:`~airloop.specs.dataset.DatasetSpec.row_keys`
    """
    by, last = list(keys), last_of_each(predictions, keys)
    named = [name for name in truths.columns if is_label(name)]
    truth = truths.drop_duplicates(by, keep="last")[list(dict.fromkeys([*by, PARTITION, *named]))]
    answers = answers_in(predictions)
    both = last[[*by, *answers]].merge(truth, on=by, how="inner")
    known = both.dropna(subset=[*named, *answers])
    rows = known[[PARTITION, *answers, *named]].reset_index(drop=True)
    return Labelled(rows=rows, predicted=len(last), matched=len(both))


def last_of_each(predictions: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Predictions, each row's last one only."""
    ordered = predictions.sort_values(PREDICTED_AT, kind="stable")
    return ordered.drop_duplicates([*keys], keep="last")


def parts(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Labelled rows partition by partition; where each one's lie together, none is copied."""
    keys = rows[PARTITION]
    codes = keys.cat.codes.to_numpy() if isinstance(keys.dtype, pd.CategoricalDtype) else None
    if codes is None or not bool((codes[1:] >= codes[:-1]).all()):
        yield from ((str(key), part) for key, part in rows.groupby(PARTITION, observed=True))
        return
    ends = np.searchsorted(codes, np.arange(len(keys.cat.categories) + 1, dtype=codes.dtype))
    for key, start, end in zip(keys.cat.categories, ends[:-1], ends[1:], strict=True):
        if end > start:
            yield str(key), rows.iloc[start:end]


def answers_in(rows: pd.DataFrame) -> list[str]:
    """The columns of rows that hold what a model answered."""
    return [name for name in rows.columns if is_answer(name)]


def answered(rows: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Those answers: a number a row, or a row of several."""
    names = answers_in(rows)
    columns = names[0] if names == [PREDICTION] else names
    return rows[columns].to_numpy(dtype=np.float64)


def truths(rows: pd.DataFrame, output: Output | None = None) -> npt.NDArray[np.float64]:
    """Their labels as a metric takes them.

    :param output: what was answered; one number by default
    """
    if output is None:
        return rows[LABEL].to_numpy(dtype=np.float64)
    columns = list(output.labels) if output.apart else LABEL
    return np.asarray(output.truths(rows[columns].to_numpy(dtype=np.float64)), np.float64)


def with_truths(rows: pd.DataFrame, output: Output, values: npt.ArrayLike) -> pd.DataFrame:
    """The same rows with their labels beside them, as :func:`truths` finds them.

    :param values: a number a row, or a row of several values
    """
    told = np.asarray(values, np.float64).reshape(len(rows), len(output.labels))
    return rows.assign(**{name: told[:, place] for place, name in enumerate(output.labels)})
