"""FlatBuffers as CatBoost writes them: tables, vectors and texts by the number of their field."""

from __future__ import annotations

import struct
from typing import Any, Final

import numpy as np

from airloop.registry.formats.boosters.parts import claim

_KINDS: Final = {"i": "<i4", "I": "<u4", "d": "<f8", "f": "<f4", "H": "<u2", "B": "<u1", "b": "<i1"}


class Table:
    """One table of a buffer. Whatever points outside of it is an error."""

    def __init__(self, content: bytes, place: int | None = None) -> None:
        self.content = content
        self.place = self._read("<I", 0) if place is None else place
        self.fields = self.place - int(self._read("<i", self.place))
        self.size = int(self._read("<H", self.fields))

    def _read(self, kind: str, place: int) -> Any:
        claim(0 <= place <= len(self.content) - struct.calcsize(kind), "an offset beyond the end")
        return struct.unpack_from(kind, self.content, place)[0]

    def _field(self, number: int) -> int:
        """The place of a field; 0 where it has its default."""
        slot = 4 + 2 * number
        offset = int(self._read("<H", self.fields + slot)) if slot + 2 <= self.size else 0
        return self.place + offset if offset else 0

    def scalar(self, number: int, kind: str, default: Any) -> Any:
        """A number."""
        place = self._field(number)
        return self._read(f"<{kind}", place) if place else default

    def table(self, number: int) -> Table:
        """A table that has to be there."""
        place = self._field(number)
        claim(place, "a table that is missing")
        return Table(self.content, place + int(self._read("<I", place)))

    def tables(self, number: int) -> list[Table]:
        """A vector of tables."""
        start, count = self._vector(number, 4)
        places = range(start, start + 4 * count, 4)
        return [Table(self.content, place + int(self._read("<I", place))) for place in places]

    def numbers(self, number: int, kind: str) -> Any:
        """A vector of numbers; of structs their numbers one after the other, where ``kind`` has several letters."""
        each = np.dtype([(str(place), _KINDS[one]) for place, one in enumerate(kind)])
        start, count = self._vector(number, each.itemsize)
        found = np.frombuffer(self.content, each, count, start) if count else np.empty(0, each)
        return found["0"] if len(kind) == 1 else found

    def texts(self, number: int) -> list[str]:
        """A vector of texts."""
        start, count = self._vector(number, 4)
        places = range(start, start + 4 * count, 4)
        return [self._text(place + int(self._read("<I", place))) for place in places]

    def text(self, number: int) -> str:
        """A text; empty where there is none."""
        place = self._field(number)
        return self._text(place + int(self._read("<I", place))) if place else ""

    def _text(self, place: int) -> str:
        size = int(self._read("<I", place))
        claim(size <= len(self.content) - place - 4, "a text beyond the end")
        return self.content[place + 4 : place + 4 + size].decode("utf-8")

    def _vector(self, number: int, size: int) -> tuple[int, int]:
        place = self._field(number)
        if not place:
            return 0, 0
        start = place + int(self._read("<I", place))
        count = int(self._read("<I", start))
        claim(count * size <= len(self.content) - start - 4, "a count beyond the end")
        return start + 4, count
