"""What a user says of a dataset: `config/datasets/<name>.yaml`."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from include.contracts import Contract, Name

#: `package.module:function`
FunctionPath = Annotated[str, StringConstraints(pattern=r"\A[a-zA-Z_][\w.]*:[a-zA-Z_]\w*\Z")]
Cron = Annotated[str, StringConstraints(pattern=r"\A\S+( \S+){4}\Z")]


class FileSource(Contract):
    """CSV or Parquet files, local or at any fsspec URL; ``{partition}`` stands for the key."""

    kind: Literal["file"]
    path: str
    format: Literal["csv", "parquet"]
    options: dict[str, Any] = {}


class SqlSource(Contract):
    """A query with the bound parameters ``:start`` and ``:end``, read in batches.

    ``url_env`` names the environment variable that holds the database URL: never the URL itself.
    """

    kind: Literal["sql"]
    query: str
    url_env: Annotated[str, StringConstraints(pattern=r"\A[A-Z][A-Z0-9_]*\Z")]
    batch_rows: int = Field(default=50_000, ge=1)


class PythonSource(Contract):
    """A user's function ``(partition: str) -> Iterator[pandas.DataFrame]``."""

    kind: Literal["python"]
    function: FunctionPath


Source = Annotated[FileSource | SqlSource | PythonSource, Field(discriminator="kind")]


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
    description: str = ""


class Severity(StrEnum):
    """What a failed expectation does."""

    BLOCK = "block"
    QUARANTINE = "quarantine"
    WARN = "warn"


class Expectation(Contract):
    """One Great Expectations expectation: its snake_case type, its arguments, what a failure does."""

    expect: Annotated[str, StringConstraints(pattern=r"\Aexpect_[a-z0-9_]+\Z")]
    severity: Severity = Severity.BLOCK
    arguments: dict[str, Any] = Field(default={}, alias="with")

    @model_validator(mode="after")
    def _rows_can_be_quarantined(self) -> Expectation:
        if self.severity is Severity.QUARANTINE and "column" not in self.arguments:
            raise ValueError(
                "severity 'quarantine' needs a column expectation: only those name the failing rows"
            )
        return self


class DatasetSpec(Contract):
    """One dataset."""

    name: Name
    description: str
    owner: str
    source: Source
    #: The column, of type date, by which the table is partitioned: one commit a day.
    partition_column: str
    schedule: Cron | None = "0 6 * * *"
    timezone: str = "UTC"
    start: date
    end: date | None = None
    #: Together they identify a row: unique in a partition, and what late labels are joined by.
    keys: tuple[str, ...] = Field(min_length=1)
    columns: dict[str, Column] = Field(min_length=1)
    expectations: tuple[Expectation, ...] = Field(min_length=1)
    #: A partition with a larger share of quarantined rows is refused.
    max_quarantine_fraction: float = Field(default=0.05, ge=0, le=1)

    @model_validator(mode="after")
    def _names_known_columns(self) -> DatasetSpec:
        for name in (self.partition_column, *self.keys):
            if name not in self.columns:
                raise ValueError(f"names the column {name!r}, which is not among its columns")
        if self.end is not None and self.end < self.start:
            raise ValueError(f"end {self.end} lies before start {self.start}")
        return self
