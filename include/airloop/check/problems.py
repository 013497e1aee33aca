"""A problem in a config folder: what is wrong, where, and what to do, as data."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from airloop.errors import AirloopError, SpecError
from airloop.issues import KeyPath, SpecIssue
from airloop.specs.yaml.document import Document


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong (``error``) or worth knowing (``notice``)."""

    what: str
    file: str
    line: int | None = None
    key: str = ""
    value: object = None
    remedy: str = ""
    valid: tuple[str, ...] = ()
    severity: Literal["error", "notice"] = "error"

    @property
    def where(self) -> str:
        """File and line, as an editor takes them."""
        return f"{self.file}:{self.line}" if self.line else self.file

    @property
    def sentence(self) -> str:
        """What, value, did you mean, remedy: everything but the place."""
        return str(SpecError(self.what, value=self.value, remedy=self.remedy, valid=self.valid))

    def __str__(self) -> str:
        return f"{self.where}: {self.key + ': ' if self.key else ''}{self.sentence}"


def from_error(error: AirloopError, file: str) -> Problem:
    """A raised error as a problem; what it says of the place stays in its words."""
    place = re.match(r"(?P<file>.*?)(, line (?P<line>\d+))?(, key (?P<key>.*))?\Z", error.where)
    line = int(place["line"]) if place and place["line"] else None
    return Problem(
        error.what,
        place["file"] if place and place["file"] else file,
        line,
        (place["key"] or "") if place else "",
        error.value,
        error.remedy,
        error.valid,
    )


def problems_of(document: Document, found: Iterable[SpecIssue]) -> list[Problem]:
    """A file's issues with their lines, one a key: the flaws of its YAML first."""
    by_key: dict[KeyPath, Problem] = {}
    flawed = [flaw.path for flaw, _ in document.flaws]
    placed = [
        (issue, document.line(issue.path))
        for issue in found
        # What is said of a mapping that holds a flaw follows from the flaw.
        if not any(path[: len(issue.path)] == issue.path for path in flawed)
    ]
    for issue, line in [*document.flaws, *placed]:
        problem = Problem(
            issue.what,
            str(document.path),
            line,
            issue.key,
            issue.value,
            issue.remedy,
            issue.valid,
        )
        by_key.setdefault(issue.path, problem)
    return list(by_key.values())
