"""One model a segment: the key `segments` of a model's spec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, model_validator

from airloop.contracts import Contract
from airloop.fields import ColumnName, Whole
from airloop.issues import SpecIssue
from airloop.specs.sections.days import training_days
from airloop.types.registry import TYPES, written

#: Where an issue about the column stands, in the short form too.
COLUMN = ("segments", "column")


class SegmentsSpec(Contract):
    """Rows with one value in ``column`` are a segment. ``segments: carrier`` is short for the column alone."""

    column: ColumnName
    #: A segment with fewer labelled training rows is answered by the global model.
    min_rows: Whole = Field(default=500, ge=1)
    #: Mapped tasks that train at the same time.
    concurrency: Whole = Field(default=2, ge=1, le=64)
    #: Segments that one task, and so one process, trains one after the other.
    pack: Whole = Field(default=50, ge=1, le=1_000)
    #: A segment that trains longer than this has failed.
    max_minutes: Whole = Field(default=30, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"column": value} if isinstance(value, str) else value


def segment_rules(model: Mapping[str, Any]) -> Iterator[SpecIssue]:
    """What is wrong with `segments` within one model's spec."""
    name = column_of(model)
    if name is None:
        return
    inputs = model.get("inputs")
    if isinstance(inputs, list | tuple) and name not in inputs:
        what = "a segment's column must be among inputs: a request must say which model answers it"
        valid = tuple(str(one) for one in inputs)
        yield SpecIssue(COLUMN, what, name, "add it to inputs, or name one of them", valid)
    if model.get("algorithms"):
        what = "cannot be together with algorithms: which one wins is known after the segments"
        remedy = "let them compete without segments, then write the winner into training"
        yield SpecIssue(("segments",), what, None, remedy)
    if training_days(model) == 1:
        what = "needs two days of training at least: the later ones say which model is better"
        yield SpecIssue(("segments",), what, None, "raise training.window_days")


def segment_column_rules(
    model: Mapping[str, Any], columns: Mapping[str, Any]
) -> Iterator[SpecIssue]:
    """What is wrong with `segments`, seen beside the dataset's columns."""
    name = column_of(model)
    if name is None:
        return
    column, path = columns.get(name), COLUMN
    if column is None:
        what, valid = "there is no such column", tuple(str(one) for one in columns)
        yield SpecIssue(path, what, name, "correct its spelling or add it", valid)
        return
    if not isinstance(column, Mapping):
        return
    kind = written(column)
    if kind is not None and not kind.segments:
        what = f"a column of type {kind.name} names no segments"
        able = ", ".join(one for one, type_ in TYPES.items() if type_.segments)
        yield SpecIssue(path, what, name, f"name one of type {able}")
    elif column.get("nullable", True) is True:
        what = "the column may be null, and a row without a value belongs to no segment"
        remedy = "write nullable: false for it in the dataset's file, or name another column"
        yield SpecIssue(path, what, name, remedy)


def column_of(model: Mapping[str, Any]) -> str | None:
    """The column that a spec's plain data names, in the short form or the long."""
    segments = model.get("segments")
    name = segments.get("column") if isinstance(segments, Mapping) else segments
    return name if isinstance(name, str) else None
