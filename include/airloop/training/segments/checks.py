"""What must hold before segments are trained: the column can name them, and every row names one."""

from __future__ import annotations

import pandas as pd

from airloop.data.rows import keys_of
from airloop.errors import DataError, RequestError, SpecError
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec
from airloop.specs.sections.segments import SegmentsSpec, segment_column_rules, segment_rules


def check_spec(model: ModelSpec, dataset: DatasetSpec) -> None:
    """What `airloop check` says of the segments, for a run that nobody checked.

    :raises SpecError: if the column cannot name segments
    """
    data = {"inputs": model.inputs, "segments": segments_of(model).column}
    columns = dataset.model_dump(mode="json")["columns"]
    for issue in (*segment_rules(data), *segment_column_rules(data, columns)):
        raise SpecError(
            issue.what,
            value=issue.value,
            where=f"config/models/{model.name}.yaml, key segments",
            remedy=issue.remedy,
            valid=issue.valid,
        )


def check_named(dataset: DatasetSpec, column: str, frame: pd.DataFrame) -> None:
    """Every row names its segment.

    :raises DataError: naming the column, how many do not, and their partitions
    """
    missing = frame[frame[column].isna()]
    if missing.empty:
        return
    told = keys_of(dataset, missing).value_counts().sort_index()
    shown = ", ".join(f"{day}: {count}" for day, count in told.head(5).items())
    more = f" and {len(told) - 5} more" if len(told) > 5 else ""
    raise DataError(
        f"{len(missing)} of {len(frame)} rows have no value in the segments' column",
        value=column,
        where=f"dataset {dataset.name}, partitions {shown}{more}",
        remedy="ingest these partitions again with the column filled, or segment by another column",
    )


def segments_of(model: ModelSpec) -> SegmentsSpec:
    """The model's segments.

    :raises RequestError: if its spec has none
    """
    if model.segments is None:
        raise RequestError("the model's spec has no segments", value=model.name)
    return model.segments
