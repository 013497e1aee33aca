"""The columns of a dataset that a training and its gates look at: of what they read, no other is decoded."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from airloop.contracts import DatasetRef
from airloop.data.lake.lake import Lake
from airloop.features.truth import labels_read
from airloop.registry.loaded import LoadedModel
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec
from airloop.types.column import ColumnType

if TYPE_CHECKING:
    import pandas as pd


def needed(model: ModelSpec, dataset: DatasetSpec) -> frozenset[str] | None:
    """The columns that a model is made and judged by.

    :returns: None where its ``label(frame)`` may look at any, since the spec does not say at which
    """
    read = labels_read(model)
    if read is None:
        return None
    # A reference tells of a night's rows when they were, by each of the dataset's moments.
    times = {
        name for name, column in dataset.columns.items() if column.type is ColumnType.TIMESTAMP
    }
    slices = () if model.gates.slices == "none" else model.gates.slices
    day = {dataset.partition_column} if dataset.partition_column is not None else set()
    return asked(model) | {*read, *slices, *times, *day, *dataset.keys, dataset.key_column}


def asked(model: ModelSpec) -> frozenset[str]:
    """The columns without which it neither answers nor can be told which rows it has not seen."""
    split = model.training.split
    group = {split.column} if split is not None and split.column is not None else set()
    return frozenset({*model.inputs, *group})


def asked_by(dataset: DatasetSpec, *models: LoadedModel) -> frozenset[str] | None:
    """The columns that versions ask for, by the names that these have today as by those of then.

    :returns: None where one may ask for any
    """
    found: set[str] = set()
    for spec in (model.spec for model in models):
        split = spec.training.split
        # Which rows it has held out is told by its labels.
        by_label = split is not None and split.by == "label"
        if (names := needed(spec, dataset) if by_label else asked(spec)) is None:
            return None
        found |= names
    present = dataset.present_names
    return frozenset(found | {present.get(name, name) for name in found})


def columns_of(
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    ref: DatasetRef,
    also: Collection[str] | None = (),
) -> list[str]:
    """Those of a reference's columns that are needed, in their order.

    :param also: what somebody else asks for; None if that may be any
    """
    names = lake.schema(ref).names
    wanted = needed(model, dataset)
    if wanted is None or also is None:
        return list(names)
    return [name for name in names if name in wanted or name in also]


def read_needed(
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    ref: DatasetRef,
    also: Collection[str] | None = (),
) -> pd.DataFrame:
    """A reference's rows with the columns that are needed; each file is compared whole all the same.

    :raises DataError: if the lake no longer holds them
    """
    return lake.read(ref, columns_of(lake, model, dataset, ref, also))
