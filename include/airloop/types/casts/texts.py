"""Text out of what a source wrote."""

from __future__ import annotations

import pyarrow as pa

from airloop.types.casts.unfit import UnfitError, is_text


def text(array: pa.Array) -> pa.Array:
    """Text as it is: no number and no bytes become text.

    :raises UnfitError: if it is none
    """
    if not is_text(array.type):
        raise UnfitError("it is not text")
    texts = array.cast(pa.string())
    try:
        texts.validate(full=True)  # a Parquet file says that its bytes are text, and nobody looks
    except pa.ArrowInvalid as error:
        raise UnfitError("its bytes are not UTF-8") from error
    return texts
