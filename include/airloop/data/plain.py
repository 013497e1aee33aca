"""Values that Arrow neither sorts nor compares, as plain ones that are equal when they are."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def plain(array: pa.Array) -> pa.Array:
    """A list of numbers as its bytes, a reference to a file as one text, a decimal as its digits; others as they are."""
    kind = array.type
    if pa.types.is_struct(kind):
        fields = [
            pc.coalesce(pc.struct_field(array, one.name).cast(pa.string()), "") for one in kind
        ]
        told = pc.binary_join_element_wise(*fields, "\0")
        return pc.if_else(array.is_valid(), told, pa.scalar(None, pa.string()))
    if pa.types.is_list(kind):
        return _bytes_of(array)
    return array.cast(pa.string()) if pa.types.is_decimal(kind) else array


def _bytes_of(array: pa.Array) -> pa.Array:
    wide = pa.float64() if pa.types.is_floating(kind := array.type.value_type) else pa.int64()
    flat = array.flatten().cast(wide)
    if pa.types.is_floating(kind):
        flat = pc.add(flat, 0.0)  # -0.0 equals 0.0
    lengths = pc.fill_null(pc.list_value_length(array), 0).cast(pa.int64())
    ends = pc.multiply(pc.cumulative_sum(lengths), 8)
    offsets = pa.concat_arrays([pa.array([0], pa.int64()), ends])
    numbers = pa.concat_arrays([flat])  # without an offset
    told = pa.Array.from_buffers(
        pa.large_binary(), len(array), [None, offsets.buffers()[1], numbers.buffers()[1]]
    )
    return pc.if_else(array.is_valid(), told, pa.scalar(None, pa.large_binary()))
