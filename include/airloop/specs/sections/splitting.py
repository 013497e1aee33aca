"""How the rows of a snapshot dataset are divided: no time does it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from airloop.contracts import Contract
from airloop.fields import ColumnName, Number
from airloop.issues import SpecIssue, value_at
from airloop.partition import Cadence
from airloop.specs.sections.days import cadence_in


class SplitSpec(Contract):
    """Which rows the gates keep: a share of the keys, of the groups of a column, or of each label's keys."""

    by: Literal["key", "group", "label"] = "key"
    #: The column whose groups stay together.
    column: ColumnName | None = None
    #: The share that is held out.
    holdout: Annotated[Number, Field(gt=0, lt=1)] = 0.2

    @model_validator(mode="after")
    def _names_its_groups(self) -> SplitSpec:
        if (self.by == "group") != (self.column is not None):
            raise ValueError("column names the groups of `by: group`, and of nothing else")
        return self


def split_rules(model: Mapping[str, Any], dataset: Mapping[str, Any]) -> Iterator[SpecIssue]:
    """A split where time divides already, one by a column that is not there, and what needs time."""
    split = value_at(model, ("training", "split"))
    timed = cadence_in(dataset) is not Cadence.SNAPSHOT
    if split is not None and timed:
        what = "only a snapshot is divided so: the last partitions are held out of this dataset"
        yield SpecIssue(("training", "split"), what, None, "leave it out; see training.holdout")
    columns = dataset.get("columns")
    column = value_at(split, ("column",))
    if isinstance(column, str) and isinstance(columns, Mapping) and column not in columns:
        path = ("training", "split", "column")
        yield SpecIssue(path, "no such column", column, "", tuple(map(str, columns)))
    if not timed and model.get("segments") is not None:
        what = "segments are judged on the last partitions, which a snapshot has not"
        yield SpecIssue(("segments",), what, None, "leave them out, or name another cadence")
