"""Values as a digest sees them: a kind, and one plain form for all of Arrow's ways to keep it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from airloop.data.plain import plain
from airloop.errors import DataError
from airloop.types.casts.collections import REFERENCE


def canonical(name: str, array: pa.Array) -> tuple[str, pa.Array]:
    """A column's kind and its values: text, bytes, or numbers of 8 bytes; NaN is missing, -0.0 is 0.0.

    :raises DataError: if the column's type has no canonical form (lists, structs)
    """
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    kind = array.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "string", array.cast(pa.large_string())
    if pa.types.is_boolean(kind):
        return "boolean", array.cast(pa.uint8())
    if pa.types.is_integer(kind):
        return "integer", array.cast(pa.int64())
    if pa.types.is_floating(kind):
        array = array.cast(pa.float64())
        missing = pc.fill_null(pc.is_nan(array), True)
        array = pc.if_else(missing, pa.scalar(None, pa.float64()), pc.add(array, 0.0))
        return "float", array
    if pa.types.is_timestamp(kind):
        return "timestamp", array.cast(pa.timestamp("us", kind.tz)).cast(pa.int64())
    if pa.types.is_date(kind):
        return "date", array.cast(pa.date32()).cast(pa.int32()).cast(pa.int64())
    if (compound := _compound(array)) is not None:
        return compound
    raise DataError("a column's type has no digest", value=str(kind), where=f"column {name}")


def _compound(array: pa.Array) -> tuple[str, pa.Array] | None:
    """Bytes, decimals, lists of numbers and references to files; None for another type."""
    kind = array.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return "bytes", array.cast(pa.large_binary())
    if pa.types.is_decimal(kind):
        return "decimal", plain(array).cast(pa.large_string())
    if kind == REFERENCE:
        return "file", plain(array).cast(pa.large_string())
    return ("list", plain(array)) if pa.types.is_list(kind) else None
