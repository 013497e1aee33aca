"""Where CSV's records end, and whether each quote stands where one may: what pyarrow does not ask.

A line's end within quotes ends no record. pyarrow reads quotes anywhere, so that one which is never closed, or
closed within a cell, silently makes one row of several.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from airloop.errors import DataError

#: How much is read at a time; a record that is longer grows its block.
BLOCK: Final = 1 << 22
#: Bytes that are compared at a time.
_PIECE: Final = 1 << 19
_QUOTE, _LF, _CR = ord('"'), ord("\n"), ord("\r")
#: How many plain records tell of which kinds a record's cells are.
_LOOKED_AT: Final = 200
_EMPTY: Final = rb"|NA|NaN|null|NULL"
#: What cells of a kind look like: the first that fits all of a column.
_KINDS: Final = tuple(
    re.compile(rb"\s*\"?(?:" + kind + _EMPTY + rb")\"?\s*")
    for kind in (rb"[+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?", rb"[0-9]{4}-[0-9]{2}-[0-9]{2}.*", rb"\S*")
)
_ANY: Final = re.compile(rb".*", re.DOTALL)
_Positions = npt.NDArray[np.int64]


def blocks(
    file: io.BufferedIOBase, url: str, delimiter: str, columns: int, *, any_lines: bool = False
) -> Iterator[tuple[bytes, int]]:
    """The file's records in blocks that end where a record does, each with the number of its first line.

    :param file: after its header
    :param columns: how many a record has
    :param any_lines: whether quotes may hold lines that each look like a record
    :raises DataError: if a quote stands where none may, is never closed, or closes rows later
    """
    # One buffer for all of them: to ask the system for pages again and again took most of the time.
    held, there, line = bytearray(BLOCK), 0, 2
    while True:
        if there == len(held):
            held = held + bytes(there)
        read = file.readinto(memoryview(held)[there:])
        there += read
        whole, quotes = _complete(held, there, at_end=not read)
        place = _Place(url, line, delimiter, columns, any_lines)
        if whole:
            block = bytes(memoryview(held)[:whole])
            ends = _places(block, _LF)
            _check(block, quotes[: np.searchsorted(quotes, whole)], ends, place)
            yield block, line
            line += len(ends)
            held[: there - whole] = held[whole:there]
            there -= whole
            if there < BLOCK < len(held):  # after a record that was longer
                held = held[:BLOCK]
        if not read:
            if there:
                rest = bytes(memoryview(held)[:there])
                _check(rest, quotes, _places(rest, _LF), place)
                raise place.error(f"a quote in line {place.at(rest, quotes[-1])} is never closed")
            return


def _places(block: bytes | memoryview, wanted: int) -> _Positions:
    """Where a byte stands; a piece at a time, so that what is compared stays in the processor's cache."""
    codes = np.frombuffer(block, np.uint8)
    found = [
        (codes[start : start + _PIECE] == wanted).nonzero()[0] + start
        for start in range(0, len(codes), _PIECE)
    ]
    return np.concatenate(found) if found else np.empty(0, np.int64)


@dataclass(frozen=True)
class _Place:
    """Where a block lies, and how its records are cut."""

    url: str
    line: int
    delimiter: str
    columns: int
    #: Whether any lines may stand within quotes.
    any_lines: bool

    def at(self, block: bytes, position: np.int64) -> int:
        """The number of the line that holds a byte."""
        return self.line + block.count(b"\n", 0, int(position))

    def error(self, what: str) -> DataError:
        """What is wrong here, and what to do."""
        remedy = 'close it; a cell with a quote of its own is written "5"" pipe"'
        return DataError(what, where=self.url, remedy=remedy)

    def merged(self, line: int, lines: int) -> DataError:
        """A quote left open, or a cell that looks just like rows: only who wrote it can tell."""
        what = (
            f"a quote opened in line {line} makes one row of {lines} lines that each look like one"
        )
        remedy = "close it; if the cell does hold these lines, say source.options.quoted_lines: any"
        return DataError(what, where=self.url, remedy=remedy)


def _complete(held: bytearray, there: int, *, at_end: bool) -> tuple[int, _Positions]:
    """How many of the bytes that are there are whole records, and where the quotes stand."""
    quotes = _places(memoryview(held)[:there], _QUOTE)
    if at_end and len(quotes) % 2 == 0:
        return there, quotes
    end = there
    while (end := held.rfind(b"\n", 0, end)) >= 0:
        before = int(np.searchsorted(quotes, end))
        if before % 2 == 0:
            return end + 1, quotes
        end = int(quotes[before - 1])  # no line's end within these quotes can be it
    return 0, quotes


def _check(block: bytes, quotes: _Positions, ends: _Positions, place: _Place) -> None:
    if not len(quotes):
        return
    codes = np.frombuffer(block, np.uint8)
    # Two quotes side by side are one within a cell: only there may a quote stand beside a quote.
    may = np.zeros(256, np.bool_)
    may[[ord(place.delimiter), _LF, _CR, _QUOTE]] = True
    wrong = np.empty(len(quotes), np.bool_)
    # At the block's begin and end the quote is beside itself, as if a line stood there.
    wrong[::2] = ~may[codes[np.maximum(quotes[::2] - 1, 0)]]
    wrong[1::2] = ~may[codes[np.minimum(quotes[1::2] + 1, len(codes) - 1)]]
    if wrong.any():
        number = int(np.argmax(wrong))
        line, first = (place.at(block, quotes[one]) for one in (number, number - number % 2))
        opened = "" if first == line else f", opened in line {first}"
        raise place.error(f"a quote stands within a cell in line {line}{opened}")
    inner = np.searchsorted(quotes, ends) % 2 == 1
    if inner.any() and not place.any_lines:
        _check_merged(block, ends, inner, place)


def _check_merged(
    block: bytes, ends: _Positions, inner: npt.NDArray[np.bool_], place: _Place
) -> None:
    """Refuse a record over three lines or more, each of which looks like a record: a quote left open.

    :param inner: which of the lines' ends stand within quotes
    """
    outer = ends[~inner]
    if not len(outer) or outer[-1] != len(block) - 1:
        outer = np.append(outer, len(block))  # the last record, whose line has no end
    starts = np.concatenate(([0], outer[:-1] + 1))
    counts = np.searchsorted(ends, outer) - np.searchsorted(ends, starts)
    looks: Callable[[bytes], bool] | None = None
    for start, stop in zip(starts[counts > 1], outer[counts > 1], strict=True):
        lines = block[int(start) : int(stop)].split(b"\n")
        looks = looks or likeness(block, starts[counts == 0], outer[counts == 0], place)
        if all(map(looks, lines)):
            raise place.merged(place.at(block, start), len(lines))


def likeness(
    block: bytes, starts: _Positions, ends: _Positions, place: _Place
) -> Callable[[bytes], bool]:
    """Whether a line could be a record: it has as many cells as one, of the kinds that the block's plain records have.

    By the number of its cells alone, many a letter of three lines would look like three rows.
    """
    mark = place.delimiter.encode()
    rows = [
        cells
        for start, end in zip(starts[:_LOOKED_AT], ends[:_LOOKED_AT], strict=True)
        if len(cells := block[int(start) : int(end)].split(mark)) == place.columns
    ]
    kinds = [
        next((kind for kind in _KINDS if all(map(kind.fullmatch, column))), _ANY)
        for column in zip(*rows, strict=True)
    ] or [_ANY] * place.columns

    def looks(line: bytes) -> bool:
        cells = line.split(mark)
        # The quote that was left open, and the one that ends it.
        bare = [cell.strip(b'" \r') for cell in cells]
        return len(cells) == place.columns and all(
            kind.fullmatch(cell) for kind, cell in zip(kinds, bare, strict=True)
        )

    return looks
