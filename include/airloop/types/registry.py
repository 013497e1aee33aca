"""Every type that a column may have: who asks what a type is, asks here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from airloop.types.collections import Bytes, File, List, Vector
from airloop.types.plain import Boolean, Decimal, Float, Integer, String
from airloop.types.times import Date, Time, Timestamp

if TYPE_CHECKING:
    from airloop.types.column import Column, Type

#: By their names, as a spec writes them.
TYPES: Final[Mapping[str, Type]] = {
    one.name: one
    for one in (
        *(String(), Integer(), Float(), Decimal(), Boolean()),
        *(Date(), Timestamp(), Time()),
        *(Vector(), List(), Bytes(), File()),
    )
}


def type_of(column: Column) -> Type:
    """A column's type."""
    return TYPES[column.type]


def written(column: Any) -> Type | None:
    """The type that a column of a spec's plain data names; None where it names none that is known."""
    kind = column.get("type") if isinstance(column, Mapping) else None
    return TYPES.get(kind) if isinstance(kind, str) else None
