"""A dataset's history in memory: rows, features and truth, cut into partitions. Read once, never changed."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from airloop.data.lake.lake import Lake
from airloop.data.rows import keys_of
from airloop.errors import DataError, RequestError
from airloop.evaluation.metrics import Floats
from airloop.features.transform import model_module, transform
from airloop.features.truth import Truth, labels
from airloop.settings import Settings
from airloop.specs import DatasetSpec, ModelSpec


@dataclass(frozen=True)
class Past:
    """All rows of a dataset's partitions, in their order; the index counts them."""

    model: ModelSpec
    dataset: DatasetSpec
    frame: pd.DataFrame = field(repr=False)
    features: pd.DataFrame = field(repr=False)
    truth: Floats = field(repr=False)
    keys: tuple[str, ...]
    #: Where each partition's rows begin, and where the last one's end.
    starts: tuple[int, ...]

    @cached_property
    def digests(self) -> dict[str, str]:
        """Of each partition's rows, as they were read, and of what the project's code made of them."""
        of_truth = pd.Series if self.truth.ndim == 1 else pd.DataFrame
        told = (self.frame, self.features, of_truth(self.truth))
        hashes = [pd.util.hash_pandas_object(one, index=False).to_numpy() for one in told]
        rows = np.column_stack(hashes)
        parts = {key: rows[self.rows(number)] for number, key in enumerate(self.keys)}
        return {key: hashlib.sha256(part.tobytes()).hexdigest() for key, part in parts.items()}

    @cached_property
    def place(self) -> dict[str, int]:
        """Where in the history a partition stands."""
        return {key: number for number, key in enumerate(self.keys)}

    def rows(self, first: int, last: int | None = None) -> slice:
        """The rows of a partition, or of those up to and including another."""
        return slice(self.starts[first], self.starts[(first if last is None else last) + 1])

    def sound(self, night: int, left_out: Collection[str]) -> tuple[str, ...]:
        """The partitions up to a night, but for those that are known to be broken."""
        keys = self.keys[: night + 1]
        return tuple(key for key in keys if key not in left_out) if left_out else keys

    def count(self, keys: Iterable[str]) -> int:
        """How many rows some partitions have."""
        parts = (self.rows(self.place[key]) for key in keys)
        return sum(part.stop - part.start for part in parts)

    def known(self, rows: slice) -> npt.NDArray[np.bool_]:
        """Where among some rows the truth is known."""
        told = self.truth[rows]
        return np.isfinite(told if told.ndim == 1 else told.sum(axis=1))

    def judged(self, rows: slice) -> Floats:
        """The truth of some rows as a metric takes it."""
        return np.asarray(self.model.answer.truths(self.truth[rows]), np.float64)

    def as_truth(self, rows: slice, chosen: npt.NDArray[np.bool_]) -> Truth:
        """The truth of some of these rows, by the places that they have in the history."""
        values, index = self.truth[rows][chosen], self.frame.index[rows][chosen]
        if values.ndim == 1:
            return pd.Series(values, index=index)
        return pd.DataFrame(values, index=index, columns=list(self.model.answer.names))

    @cached_property
    def code(self) -> str:
        """A digest of what turns rows into features and an estimator: the model's spec and its module's text."""
        fields = {"dataset", "module", "task", "target", "inputs", "training"}
        declared = {"outputs"} if self.model.outputs else set()
        told = self.model.model_dump(mode="json", include=fields | declared)
        file = model_module(self.model).__file__
        text = Path(file).read_bytes() if file else b""
        columns = self.dataset.model_dump_json(include={"columns", "keys", "partition_column"})
        made = [*self.features.columns]
        return hashlib.sha256(f"{told}\0{columns}\0{made}\0".encode() + text).hexdigest()


def read(
    settings: Settings,
    model: ModelSpec,
    dataset: DatasetSpec,
    *,
    first: str | None = None,
    last: str | None = None,
) -> Past:
    """Read the history, or a part of it.

    :raises RequestError: if the dataset has no days, or an end of the part is not there
    :raises DataError: if there are no rows
    """
    if not dataset.cadence.timed:
        raise RequestError(
            "a dataset of deliveries has no history to replay: each delivery holds all there is",
            value=dataset.name,
            remedy="replay a model of a dataset whose cadence is hour, day, week or month",
        )
    lake = Lake(settings)
    there = lake.partitions(dataset.name)
    for key in filter(None, (first, last)):
        if key not in there:
            raise RequestError(
                f"that {dataset.cadence} is not in the lake",
                value=key,
                where=f"dataset {dataset.name}",
                remedy="ingest it, or name one that is there",
                valid=there[:1] + there[-1:],
            )
    keys = [key for key in there if (first or "") <= key <= (last or "~")]
    if not keys:
        raise DataError("the lake holds no partition of it", where=f"dataset {dataset.name}")
    frame = lake.read(lake.snapshot(dataset.name, keys))
    return of(model, dataset, frame)


def of(model: ModelSpec, dataset: DatasetSpec, frame: pd.DataFrame) -> Past:
    """The past of rows that were read already."""
    named = keys_of(dataset, frame).to_numpy(dtype=str)
    order = np.argsort(named, kind="stable")
    frame = frame.iloc[order].reset_index(drop=True)
    keys, starts = np.unique(named[order], return_index=True)
    return Past(
        model=model,
        dataset=dataset,
        frame=frame,
        features=transform(model, dataset, frame),
        truth=np.asarray(labels(model, frame), np.float64),
        keys=tuple(keys.tolist()),
        starts=(*starts.tolist(), len(frame)),
    )
