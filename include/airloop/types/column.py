"""One column's contract, the names of the types that it may have, and what each room asks of a type.

Heavy libraries are a method's own, since specs and DAG files ask as well.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from airloop.contracts import Contract
from airloop.fields import ColumnName, Line, Text, Whole

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from airloop.types.casts.moments import Clock

    Array = np.ndarray[Any, np.dtype[Any]] | pd.DatetimeIndex


class ColumnType(StrEnum):
    """The types a column may have, in the lake's words."""

    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    DATE = "date"
    DECIMAL = "decimal"
    TIME = "time"
    VECTOR = "vector"
    LIST = "list"
    BYTES = "bytes"
    FILE = "file"


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
    #: How wide a whole number may be.
    bits: Literal[8, 16, 32, 64] | None = None
    #: How many digits a decimal has, and how many of them behind its point.
    precision: Whole | None = Field(default=None, ge=1, le=38)
    scale: Whole | None = Field(default=None, ge=0, le=38)
    #: Of which numbers a list or a vector is, and how many a vector has.
    of: Literal["integer", "float"] | None = None
    length: Whole | None = Field(default=None, ge=1, le=65_536)
    #: What the column was called before, newest first: older partitions and versions have it under these names.
    was: FormerNames = ()


class Type(ABC):
    """One type of column, from the source to the answer."""

    name: ClassVar[ColumnType]
    #: The keys of a column's contract that only some types have.
    keys: ClassVar[frozenset[str]] = frozenset()
    #: Those of them that must be there.
    needs: ClassVar[frozenset[str]] = frozenset()
    #: Whether its values are compared with numbers, with dates, or are texts.
    number: ClassVar[bool] = False
    moment: ClassVar[bool] = False
    text: ClassVar[bool] = False
    #: Whether each of its values can name a segment.
    segments: ClassVar[bool] = False
    #: How monitoring counts it, in the words of its kinds of bins.
    binned: ClassVar[str]
    #: What MLflow calls it in a model's signature.
    mlflow: ClassVar[str]
    #: Whether a value can be a part of what names a row.
    names_rows: ClassVar[bool] = True
    #: Where it can be no input of a model, what to do instead.
    instead: ClassVar[str] = ""
    #: Whether its values stand for files, whose bytes are looked at.
    refers: ClassVar[bool] = False

    @abstractmethod
    def specimen(self, column: Column) -> Any:
        """A value as a request writes it."""

    @abstractmethod
    def arrow(self, column: Column) -> pa.DataType:
        """What it is from the cast on, and in the lake."""

    @abstractmethod
    def cast(self, values: pa.ChunkedArray, column: Column, clock: Clock) -> pa.ChunkedArray:
        """A source's values of one kind in this type, each exactly.

        :raises UnfitError, pa.ArrowException, ValueError: if one cannot have it
        """

    @abstractmethod
    def feature(self, values: pd.Series[Any], column: Column) -> Array:
        """A frame's column as ``features(frame)`` gets it, whichever rows the frame holds.

        :raises TypeError, ValueError, OverflowError: if a value does not fit
        """

    def checked(self, values: Sequence[Any], column: Column) -> Array:
        """The same of a request's values, which :meth:`annotation` has checked: a few, where a Series costs most."""
        import pandas as pd

        return self.feature(pd.Series(list(values)), column)

    @abstractmethod
    def annotation(self, column: Column) -> Any:
        """What pydantic checks in a request, and says in its JSON schema."""

    def asked(self, values: Sequence[Any]) -> list[Any]:
        """Values of a frame, plain already, as a request writes them."""
        return list(values)

    def logged(self, values: Sequence[Any]) -> list[Any]:
        """Values out of the prediction log's JSON, as Arrow takes them."""
        return list(values)


class NoInput(Type):
    """A type that no model takes: a request cannot say its values, or ``features`` makes no numbers of them."""

    names_rows = False
    binned = "time"

    def feature(self, values: pd.Series[Any], column: Column) -> Array:
        """None: the specs' rules refuse such an input."""
        raise TypeError(f"a {self.name} is no input")

    def annotation(self, column: Column) -> Any:
        """None: the specs' rules refuse such an input."""
        raise TypeError(f"a {self.name} is no input")
