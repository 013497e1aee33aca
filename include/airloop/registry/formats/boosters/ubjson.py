"""Universal Binary JSON as XGBoost writes it, read without believing any of its counts."""

from __future__ import annotations

import struct
from typing import Any, Final

import numpy as np

from airloop.registry.formats.boosters.parts import claim

#: Markers of numbers, as numpy and struct know them: big-endian, as the format wants.
_NUMBERS: Final = {
    "i": ">i1",
    "U": ">u1",
    "I": ">i2",
    "l": ">i4",
    "L": ">i8",
    "d": ">f4",
    "D": ">f8",
}
_CONSTANTS: Final = {"Z": None, "T": True, "F": False}
#: Deeper than any model of XGBoost.
_DEEPEST: Final = 24


def loads(content: bytes) -> Any:
    """What it says.

    :raises ValueError: if it is not what XGBoost writes
    """
    reader = _Reader(content)
    found = reader.value(reader.marker(), 0)
    claim(reader.place == len(content), "more than one value")
    return found


class _Reader:
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.place = 0

    def take(self, count: int) -> bytes:
        claim(0 <= count <= len(self.content) - self.place, "a count beyond the file's end")
        self.place += count
        return self.content[self.place - count : self.place]

    def marker(self) -> str:
        return self.take(1).decode("latin-1")

    def value(self, marker: str, depth: int) -> Any:
        claim(depth < _DEEPEST, "values nested too deep")
        if marker == "{":
            return self.object(depth)
        if marker == "[":
            return self.array(depth)
        if marker == "S":
            return self.text()
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        return self.numbers(marker, 1)[0].item()

    def numbers(self, marker: str, count: int) -> Any:
        kind = np.dtype(_NUMBERS[marker])
        claim(0 <= count <= len(self.content), "a count beyond the file's end")
        return np.frombuffer(self.take(count * kind.itemsize), kind)

    def count(self) -> int:
        claim(self.marker() == "L", "a count of another type")
        found: int = struct.unpack(">q", self.take(8))[0]
        return found

    def text(self) -> str:
        return self.take(self.count()).decode("utf-8")

    def object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self.content[self.place : self.place + 1] != b"}":
            key = self.text()
            claim(key not in found, f"{key} twice")
            found[key] = self.value(self.marker(), depth + 1)
        self.place += 1
        return found

    def array(self, depth: int) -> Any:
        marker = self.marker()
        if marker == "$":
            kind = self.marker()
            claim(self.marker() == "#", "an array without a count")
            return self.numbers(kind, self.count())
        claim(marker == "#", "an array without a count")
        count = self.count()
        claim(0 <= count <= len(self.content), "a count beyond the file's end")
        return [self.value(self.marker(), depth + 1) for _ in range(count)]
