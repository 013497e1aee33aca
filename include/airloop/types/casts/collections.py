"""Lists of numbers, bytes and references to files out of what a source wrote."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from airloop.types.casts.numbers import number, whole
from airloop.types.casts.unfit import UnfitError, is_number, is_text

#: A file's address, its bytes' number and their digest.
REFERENCE: Final = pa.struct([("uri", pa.string()), ("size", pa.int64()), ("digest", pa.string())])
_NUMBERS: Final = "it is no list of numbers"


def numbers(values: pa.ChunkedArray, of: str, length: int | None) -> pa.ChunkedArray:
    """Lists of numbers, all of one length where that is said.

    :raises UnfitError, pa.ArrowException: if a value is none, or has a gap, a number that is not finite or another length
    """
    if is_text(values.type):
        values = _read(values)
    array = values.combine_chunks()
    if not is_list(array.type):
        raise UnfitError(_NUMBERS)
    lengths = pc.list_value_length(array)
    if length is not None and not pc.all(pc.equal(lengths, length)).as_py():
        [first] = pc.filter(lengths, pc.not_equal(lengths, length)).slice(0, 1).to_pylist()
        raise UnfitError(f"it has {first} numbers, where each has {length}")
    flat = pc.list_flatten(array)
    if len(flat) and not is_number(flat.type):
        raise UnfitError(_NUMBERS)
    told = whole(flat) if of == "integer" else number(flat)
    if told.null_count or (of != "integer" and not pc.all(pc.is_finite(told)).as_py()):
        raise UnfitError("one of its numbers is missing, or not finite")
    ends = pc.cumulative_sum(pc.fill_null(lengths, 0).cast(pa.int32()))
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    return pa.chunked_array([pa.ListArray.from_arrays(offsets, told, mask=array.is_null())])


def is_list(kind: pa.DataType) -> bool:
    """Whether it is a list, however Arrow keeps it."""
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def octets(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Bytes; text is read as base64.

    :raises UnfitError: if a value is neither
    """
    if is_text(values.type):
        read = [None if text is None else _decoded(text) for text in values.to_pylist()]
        return pa.chunked_array([pa.array(read, pa.binary())])
    kind = values.type
    if not (
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_binary_view(kind)
    ):
        raise UnfitError("it is neither bytes nor text in base64")
    return values.cast(pa.binary())


def references(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """References to files: an address alone, or with what is known of its bytes.

    :raises UnfitError, pa.ArrowException: if a value is none
    """
    if not (is_text(values.type) or pa.types.is_struct(values.type)):
        raise UnfitError("it is no address of a file")
    read = [None if one is None else _reference(one) for one in values.to_pylist()]
    return pa.chunked_array([pa.array(read, REFERENCE)])


def _read(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    lists = []
    for text in texts.to_pylist():
        try:
            found = None if text is None else json.loads(text, parse_constant=_no_number)
        except ValueError as error:
            raise UnfitError("it is not written as [1, 2.5]") from error
        if found is not None and not isinstance(found, list):
            raise UnfitError(_NUMBERS)
        if found and not all(type(one) in {int, float} for one in found):
            raise UnfitError(_NUMBERS)
        lists.append(found)
    whole_ones = all(type(one) is int for found in lists for one in found or ())
    kind = pa.int64() if whole_ones else pa.float64()
    if not whole_ones:
        lists = [found and [float(one) for one in found] for found in lists]
    return pa.chunked_array([pa.array(lists, pa.list_(kind))])


def _no_number(text: str) -> float:
    raise ValueError(text)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnfitError("it is not written in base64") from error


def _reference(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        if not value.startswith("{"):
            return {"uri": value}
        try:
            value = json.loads(value)
        except ValueError as error:
            raise UnfitError("it is not written as an address, or as JSON with one") from error
    if (
        not isinstance(value, Mapping)
        or not isinstance(value.get("uri"), str)
        or set(value) - {"uri", "size", "digest"}
    ):
        raise UnfitError("it has no uri, or more than uri, size and digest")
    return dict(value)
