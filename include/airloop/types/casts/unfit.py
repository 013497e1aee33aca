"""What a cast says of a value that cannot have its column's type, and the few questions that all casts ask."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


class UnfitError(ValueError):
    """A value that cannot have its type: the message continues "it is no …: "."""


class MixtureError(ValueError):
    """Values that would fit, each alone, and are of several kinds together."""


def is_text(kind: pa.DataType) -> bool:
    """Whether it is text, however Arrow keeps it."""
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def is_number(kind: pa.DataType) -> bool:
    """Whether it is a number, whole or not, of any width."""
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def trimmed(array: pa.Array) -> pa.Array:
    """Text without the blanks around it."""
    return pc.utf8_trim_whitespace(array.cast(pa.string()))
