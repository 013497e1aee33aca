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


def holds(array: pa.Array | pa.ChunkedArray, characters: bytes) -> bool:
    """Whether a text holds one of some ASCII characters."""
    chunks = array.chunks if isinstance(array, pa.ChunkedArray) else [array]
    for chunk in chunks:
        data = chunk.cast(pa.string()).buffers()[2]
        # Most have none in all their bytes; those of a slice hold its neighbours' as well.
        read = b"" if data is None else data.to_pybytes()
        if (
            any(one in read for one in characters)
            and pc.any(pc.match_substring_regex(chunk, f"[{characters.decode()}]")).as_py()
        ):
            return True
    return False
