"""Words of 64 bits that stand for values: equal for equal values, and mixed well enough for others to differ."""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Words = npt.NDArray[np.uint64]

_MIX: Final = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))
_HALF: Final = np.uint64(33)
_FINAL: Final = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))
#: Lets so many of a number's eight bytes through.
_LET: Final = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)
#: Bytes of a text that are mixed by the eight; of a longer one a hash of the whole is taken.
_SHORT: Final = 64


def mixed(words: Words) -> Words:
    """The words, in place, each bit of each depending on all of its bits (MurmurHash3's end)."""
    upper = np.empty_like(words)
    for factor in _FINAL:
        words ^= np.right_shift(words, _HALF, out=upper)
        words *= factor
    words ^= np.right_shift(words, _HALF, out=upper)
    return words


def words_of_numbers(values: pa.Array) -> Words:
    """A number's own bits; -0.0 has those of 0.0, and a missing value any."""
    if pa.types.is_floating(values.type):
        numbers = values.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False) + 0.0
    else:
        numbers = values.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    bits: Words = numbers.view(np.uint64)
    return bits


def words_of_texts(values: pa.Array) -> tuple[Words, Words]:
    """Two words a text, or what else is bytes; a missing value has any."""
    if not pa.types.is_large_binary(values.type):
        values = values.cast(pa.large_string())
    offsets, data = _buffers(values)
    lengths, starts = np.diff(offsets), offsets[:-1]
    # Every eight bytes as one number, wherever they start; padded, so that the last may read on.
    eights = np.ndarray(len(data) - 7, dtype="<u8", buffer=data, strides=(1,))
    words = tuple(lengths.astype(np.uint64) * factor for factor in _MIX)
    longest = int(lengths.max(initial=0))
    shortest = int(lengths.min(initial=longest))
    for position in range(0, min(longest, _SHORT), 8):
        if shortest > position:
            _mix_in(words, eights[starts + position], lengths - position, shortest - position)
            continue
        there = np.flatnonzero(lengths > position)
        some = tuple(word[there] for word in words)
        _mix_in(some, eights[starts[there] + position], lengths[there] - position, 1)
        for word, part in zip(words, some, strict=True):
            word[there] = part
    for row in np.flatnonzero(lengths > _SHORT):
        whole = hashlib.blake2b(data[offsets[row] : offsets[row + 1]], digest_size=16).digest()
        words[0][row], words[1][row] = np.frombuffer(whole, "<u8")
    return words[0], words[1]


def _mix_in(
    words: tuple[Words, ...], eights: Words, left: npt.NDArray[np.int64], fewest: int
) -> None:
    """Texts' next bytes, mixed into their words in place.

    :param left: how many bytes each text still has; others of its eight are not its own
    :param fewest: the fewest of them
    """
    if fewest < 8:
        eights &= _LET.take(left, mode="clip")
    for word, factor, shift in zip(words, _MIX, (29, 32), strict=True):
        word ^= eights
        word *= factor
        word ^= word >> np.uint64(shift)


def _buffers(text: pa.Array) -> tuple[npt.NDArray[np.int64], bytes]:
    _, offset_buffer, data_buffer = text.buffers()
    offsets = np.frombuffer(offset_buffer, dtype=np.int64)[
        text.offset : text.offset + len(text) + 1
    ]
    data = memoryview(data_buffer)[int(offsets[0]) : int(offsets[-1])] if data_buffer else b""
    return offsets - offsets[0], bytes(data) + b"\0" * 8
