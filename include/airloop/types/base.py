"""What each room asks of a type. Heavy libraries are a method's own, since specs and DAG files ask as well."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airloop.types.column import Column, ColumnType

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from airloop.types.casts.moments import Clock

    Array = np.ndarray[Any, np.dtype[Any]] | pd.DatetimeIndex


class Type(ABC):
    """One type of column, from the source to the answer."""

    name: ClassVar[ColumnType]
    #: The keys of a column's contract that only some types have.
    keys: ClassVar[frozenset[str]] = frozenset()
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
    #: A value as a request writes it.
    specimen: ClassVar[Any]

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

    @abstractmethod
    def annotation(self, column: Column) -> Any:
        """What pydantic checks in a request, and says in its JSON schema."""

    def asked(self, values: Sequence[Any]) -> list[Any]:
        """Values of a frame, plain already, as a request writes them."""
        return list(values)

    def logged(self, values: Sequence[Any]) -> list[Any]:
        """Values out of the prediction log's JSON, as Arrow takes them."""
        return list(values)
