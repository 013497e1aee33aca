"""One column's contract, and the names of the types that it may have."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from airloop.contracts import Contract
from airloop.fields import ColumnName, Line, Text


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


def _as_list(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


FormerNames = Annotated[tuple[ColumnName, ...], BeforeValidator(_as_list)]


class Column(Contract):
    """One column's contract."""

    type: ColumnType
    nullable: bool = True
    #: A column known only ``after`` can be a label, never an input: that would be leakage.
    known: Known = Known.BEFORE
    description: Text | Literal[""] = ""
    #: How dates and timestamps are written where it is not by ISO 8601, in strptime's words: ``%d.%m.%Y``.
    format: Line | None = None
    #: What the column was called before, newest first: older partitions and versions have it under these names.
    was: FormerNames = ()
