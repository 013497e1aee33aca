"""Numbers and truth values out of what a source wrote. Whatever the source, the same verdict."""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from airloop.types.casts.unfit import UnfitError, holds, is_number, is_text, trimmed

_POINT_ZERO: Final = r"^([+-]?[0-9]+)\.0+$"
_DECIMAL: Final = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
#: A digit that is not 0, before the exponent.
_SIGNIFICANT: Final = r"^[^eE]*[1-9]"


def whole(array: pa.Array, wanted: pa.DataType | None = None) -> pa.Array:
    """Whole numbers of 64 bits, or of as many as a type has.

    :raises UnfitError, pa.ArrowException: if a value is none
    """
    if is_text(array.type):
        if holds(array, b"xX"):
            raise UnfitError("whole numbers are written in decimal digits")
        try:
            return _narrowed(array.cast(pa.int64()), wanted)
        except pa.ArrowInvalid:
            # 12.0 is how a column of whole numbers with gaps is written to CSV.
            texts = pc.replace_substring_regex(trimmed(array), _POINT_ZERO, r"\1")
            return _narrowed(texts.cast(pa.int64()), wanted)
    if not is_number(array.type):
        raise UnfitError("it is not a number")
    return _narrowed(_without_nan(array).cast(pa.int64()), wanted)


def _narrowed(array: pa.Array, wanted: pa.DataType | None) -> pa.Array:
    if wanted is None:
        return array
    try:
        return array.cast(wanted)
    except pa.ArrowInvalid as error:
        raise UnfitError(f"it needs more than {wanted.bit_width} bits") from error


def decimal(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Decimals, none rounded. Of a float its shortest text is meant: 0.1, and not what is nearest to it.

    :raises UnfitError, pa.ArrowException: if a value is none, or has more digits
    """
    if not (is_number(array.type) or is_text(array.type)):
        raise UnfitError("it is not a number")
    texts = trimmed(_without_nan(array).cast(pa.string()))
    if pc.any(pc.invert(pc.match_substring_regex(texts, _DECIMAL))).as_py():
        raise UnfitError("it is not a number in decimal digits")
    try:
        return texts.cast(wanted)
    except pa.ArrowInvalid as error:
        digits = f"{wanted.precision} digits, {wanted.scale} of them behind the point"
        raise UnfitError(f"it has more than {digits}") from error


def number(array: pa.Array) -> pa.Array:
    """Floats of 64 bits, each the nearest.

    :raises UnfitError, pa.ArrowException: if a value is none, or beyond them
    """
    if pa.types.is_integer(array.type):
        # Above 2**53 neighbours collapse; a measure that large has lost its last digits anyway.
        return array.cast(pa.float64(), safe=False)
    if pa.types.is_decimal(array.type):
        # Read as CSV's are: Arrow's own way misses the nearest float.
        array = array.cast(pa.string())
    if is_text(array.type):
        try:
            return _without_nan(_parsed(array.cast(pa.string())))
        except pa.ArrowInvalid:
            return _without_nan(_parsed(trimmed(array)))
    if not is_number(array.type):
        raise UnfitError("it is not a number")
    return _without_nan(array.cast(pa.float64()))


def _parsed(texts: pa.Array) -> pa.Array:
    """Numbers of texts. 1e400 and 1e-400 are written as numbers, but none that a float can hold."""
    numbers = texts.cast(pa.float64())
    overflowed = pc.is_inf(numbers)
    if pc.any(overflowed).as_py():
        overflowed = pc.and_(overflowed, pc.match_substring_regex(texts, "[0-9]"))
    vanished = pc.equal(numbers, 0.0)
    if pc.any(vanished).as_py():
        vanished = pc.and_(vanished, pc.match_substring_regex(texts, _SIGNIFICANT))
    if pc.any(pc.or_(overflowed, vanished)).as_py():
        raise UnfitError("it is beyond what 64 bits can hold")
    return numbers


def truth(array: pa.Array) -> pa.Array:
    """Truth values.

    :raises UnfitError, pa.ArrowException: if a value is none
    """
    if is_number(array.type):
        if pa.types.is_decimal(array.type):
            array = array.cast(pa.int64())  # refuses a fraction that a float would round away
        # As MySQL, SQLite and pandas tell them: 0 and 1, beside a gap 0.0 and 1.0.
        numbers = _without_nan(array.cast(pa.float64(), safe=False))
        if not pc.all(pc.is_in(numbers.drop_null(), pa.array([0.0, 1.0]))).as_py():
            raise UnfitError("of numbers only 0 and 1 are")
        return numbers.cast(pa.bool_())
    if is_text(array.type):
        return pc.replace_substring_regex(trimmed(array), _POINT_ZERO, r"\1").cast(pa.bool_())
    if not pa.types.is_boolean(array.type):
        raise UnfitError("it is not a truth value")
    return array


def _without_nan(array: pa.Array) -> pa.Array:
    """NaN is how a float says that a value is missing, whoever wrote it."""
    if not pa.types.is_floating(array.type):
        return array
    missing = pc.is_nan(array)
    if not pc.any(missing).as_py():
        return array
    return pc.if_else(missing, pa.scalar(None, array.type), array)
