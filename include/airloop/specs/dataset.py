"""What a user says of a dataset: `config/datasets/<name>.yaml`."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, ValidationInfo, model_validator

from airloop.columns import PARTITION
from airloop.contracts import Contract, Name
from airloop.durations import spanned
from airloop.errors import RequestError
from airloop.fields import (
    ColumnName,
    Cron,
    Day,
    ExpectationName,
    Fraction,
    Holidays,
    Line,
    Span,
    Text,
    TimeZone,
)
from airloop.issues import refuse
from airloop.partition import KEY_FORMS, Cadence, Partition
from airloop.plugins.source import SourceField
from airloop.plugins.spec import is_frozen
from airloop.specs.rules import dataset_rules
from airloop.types.column import Column


class Severity(StrEnum):
    """What a failed expectation does."""

    BLOCK = "block"
    QUARANTINE = "quarantine"
    WARN = "warn"


class Expectation(Contract):
    """One Great Expectations expectation: its snake_case type, its arguments, what a failure does."""

    expect: ExpectationName
    severity: Severity = Severity.BLOCK
    arguments: dict[str, Any] = Field(default={}, alias="with")


class DatasetSpec(Contract):
    """One dataset."""

    name: Name
    description: Text
    owner: Line
    source: SourceField
    #: How the rows are cut into partitions, each one commit: by time, or as deliveries of the whole table.
    cadence: Cadence = Cadence.DAY
    #: The column that says when a row was: a date, or of an hourly dataset a timestamp. A snapshot has none.
    partition_column: ColumnName | None = None
    schedule: Cron | None = "0 6 * * *"
    timezone: TimeZone = "UTC"
    #: Which moment a local time is that comes twice, when the clocks go back.
    ambiguous: Literal["refuse", "earlier", "later"] = "refuse"
    #: What a local time is that never comes: refused, or the first moment after the gap.
    nonexistent: Literal["refuse", "shift"] = "refuse"
    #: The calendar of its holidays: these are no usual days of their weekday.
    holidays: Holidays | None = None
    start: Day
    end: Day | None = None
    #: Whether the keys name a row for ever, or, as a customer who comes each day, once in a partition.
    keys_unique: Literal["partition", "forever"] = "partition"
    #: Together they identify a row in its partition: what late labels are joined by.
    keys: tuple[ColumnName, ...] = Field(min_length=1)
    columns: dict[ColumnName, Column] = Field(min_length=1)
    expectations: tuple[Expectation, ...] = Field(min_length=1)
    #: How far back each run of the schedule asks the source again: corrections and late rows, in partitions or a duration.
    recheck: Span | None = None
    #: A partition with a larger share of quarantined rows is refused.
    max_quarantine_fraction: Fraction = 0.05

    @model_validator(mode="after")
    def _rules(self, info: ValidationInfo) -> DatasetSpec:
        if not is_frozen(info):
            refuse(dataset_rules(self.model_dump(mode="json", by_alias=True)))
        return self

    @property
    def key_column(self) -> str:
        """The column of the lake's tables that holds the partition's key.

        A day is told by the rows' own date; every other key has a column of its own.
        """
        day = self.partition_column if self.cadence is Cadence.DAY else None
        return day or PARTITION

    @property
    def rechecked(self) -> int:
        """How many partitions before the newest are looked at again."""
        return spanned(self.recheck or 0, self.cadence)

    def partition(self, key: str) -> Partition:
        """The partition that a key names.

        :raises RequestError: if it is no key of this dataset's cadence
        """
        try:
            return Partition.parse(key, self.cadence, self.timezone)
        except ValueError as error:
            raise RequestError(
                f"not a partition of {self.name}: {error}",
                value=key,
                where=f"config/datasets/{self.name}.yaml, key cadence: {self.cadence}",
                remedy=f"write it {KEY_FORMS[self.cadence]}",
            ) from error

    @property
    def row_keys(self) -> tuple[str, ...]:
        """The columns that name a row among those of all partitions, each frame's partition among them if need be."""
        once = self.keys_unique == "forever" or not self.cadence.timed
        return self.keys if once else (*self.keys, PARTITION)

    @property
    def present_names(self) -> dict[str, str]:
        """What each column is called now that was called otherwise."""
        return {old: name for name, column in self.columns.items() for old in column.was}

    @property
    def logged(self) -> Cadence:
        """The cadence of what is asked of its models: answers come by the day where rows are delivered whole."""
        return self.cadence if self.cadence.timed else Cadence.DAY

    def partition_at(self, moment: datetime) -> Partition:
        """The partition that holds a moment."""
        return Partition.at(moment, self.cadence, self.timezone)
