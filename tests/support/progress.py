"""A listener of a start, for what it was told."""

from __future__ import annotations


class Told:
    """What a person was told, by part."""

    def __init__(self) -> None:
        self.done_notes: dict[str, str] = {}
        self.slow_notes: list[str] = []

    def begin(self, name: str, title: str) -> None: ...

    def slow(self, name: str, note: str) -> None:
        self.slow_notes.append(f"{name}: {note}")

    def done(self, name: str, note: str) -> None:
        self.done_notes[name] = note

    def notice(self, text: str) -> None: ...
