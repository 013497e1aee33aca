"""Whether two values are the same: one definition for every type that a column may have."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from airloop.data.lake.digest import column_words

#: Floats that differ by less than this part of them are the same: one went through another type, or a text.
ALIKE: Final = 1e-6


def differ(
    one: pa.Array | pa.ChunkedArray, other: pa.Array | pa.ChunkedArray
) -> npt.NDArray[np.bool_]:
    """Where two columns of one type, or of two kinds of number, have not the same value; missing and NaN are the same."""
    one, other = _whole(one), _whole(other)
    if pa.types.is_floating(one.type) or one.type != other.type:
        return _numbers_differ(one, other)
    if pa.types.is_nested(one.type):
        mine, theirs = (column_words("value", side) for side in (one, other))
        apart: npt.NDArray[np.bool_] = (mine[0] != theirs[0]) | (mine[1] != theirs[1])
        return apart
    unlike = pc.not_equal(one, other).fill_null(False)
    lacking = pc.xor(one.is_null(), other.is_null())
    found: npt.NDArray[np.bool_] = np.asarray(pc.or_(unlike, lacking), np.bool_)
    return found


def _numbers_differ(one: pa.Array, other: pa.Array) -> npt.NDArray[np.bool_]:
    mine, theirs = (side.cast(pa.float64()).to_numpy(zero_copy_only=False) for side in (one, other))
    with np.errstate(invalid="ignore"):
        room = ALIKE * np.maximum(np.abs(mine), np.abs(theirs))
        near = (np.abs(mine - theirs) <= room) | (mine == theirs)
    unlike: npt.NDArray[np.bool_] = ~(near | (np.isnan(mine) & np.isnan(theirs)))
    return unlike


def _whole(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
