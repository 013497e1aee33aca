"""What a user says of a dataset: `config/datasets/<name>.yaml`."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, ValidationInfo, model_validator

from airloop.contracts import Contract, Name
from airloop.fields import (
    ColumnName,
    Cron,
    Day,
    ExpectationName,
    Fraction,
    Line,
    Text,
    TimeZone,
)
from airloop.issues import refuse
from airloop.plugins.source import SourceField
from airloop.plugins.spec import is_frozen
from airloop.specs.rules import dataset_rules


class ColumnType(StrEnum):
    """The types a column may have, in the lake's words."""

    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    DATE = "date"


class Known(StrEnum):
    """When a column's value is known, relative to the moment a prediction is asked for."""

    BEFORE = "before"
    AFTER = "after"


class Column(Contract):
    """One column's contract."""

    type: ColumnType
    nullable: bool = True
    #: A column known only ``after`` can be a label, never an input: that would be leakage.
    known: Known = Known.BEFORE
    description: Text | Literal[""] = ""


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
    #: The column, of type date, by which the table is partitioned: one commit a day.
    partition_column: ColumnName
    schedule: Cron | None = "0 6 * * *"
    timezone: TimeZone = "UTC"
    start: Day
    end: Day | None = None
    #: Together they identify a row: unique in a partition, and what late labels are joined by.
    keys: tuple[ColumnName, ...] = Field(min_length=1)
    columns: dict[ColumnName, Column] = Field(min_length=1)
    expectations: tuple[Expectation, ...] = Field(min_length=1)
    #: A partition with a larger share of quarantined rows is refused.
    max_quarantine_fraction: Fraction = 0.05

    @model_validator(mode="after")
    def _rules(self, info: ValidationInfo) -> DatasetSpec:
        if not is_frozen(info):
            refuse(dataset_rules(self.model_dump(mode="json", by_alias=True)))
        return self
