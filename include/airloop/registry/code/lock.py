"""What a version's code needs beside Airloop's own libraries: names and versions, kept in its artifact.

The file is data: a line a library, ``name==version``, and nothing else that an installer would obey. Its digest names the
environment in which the version can be answered where the libraries at hand are others.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib import metadata

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from airloop.errors import ArtifactError

#: A version that needs more is no module with its helpers.
MAX_LINES = 200
_NAME = re.compile(r"\A[a-z0-9]([a-z0-9-]{0,98}[a-z0-9])?\Z")


@dataclass(frozen=True)
class Lock:
    """The libraries by their names, each in one version."""

    pins: tuple[tuple[str, str], ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """A line a library, as an installer takes it."""
        return tuple(f"{name}=={number}" for name, number in self.pins)

    @property
    def text(self) -> str:
        """The file's content."""
        return "".join(f"{line}\n" for line in self.lines)

    @property
    def digest(self) -> str:
        """What it is known by: the sha256 of its text, in hexadecimal digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def differing(self) -> str:
        """What of it this process has not, or has in another version; empty if all is there."""
        told = ((name, number, _installed(name)) for name, number in self.pins)
        return "; ".join(
            f"{name} {number}, here {here or 'missing'}"
            for name, number, here in told
            if here is None or not _same(here, number)
        )


def parsed(content: bytes, where: str) -> Lock:
    """The lock of an artifact.

    :param where: its file, for messages
    :raises ArtifactError: if a line is anything but a name and a version
    """
    lines = content.decode("utf-8", "backslashreplace").splitlines()
    if len(lines) > MAX_LINES:
        raise ArtifactError(
            "the version's lock has more libraries than are ever installed for one",
            value=len(lines),
            where=where,
            remedy=f"let what features() imports need at most {MAX_LINES}",
        )
    return Lock(
        tuple(sorted(_pin(line, f"{where}:{place}") for place, line in enumerate(lines, 1)))
    )


def _pin(line: str, where: str) -> tuple[str, str]:
    name, _, number = line.partition("==")
    try:
        sound = _NAME.match(name) is not None and str(Version(number)) == number
    except InvalidVersion:
        sound = False
    if not sound:
        raise ArtifactError(
            "a line of the version's lock is no library in one version",
            value=line,
            where=where,
            remedy="write name==version: no address, no path and no option is ever followed; train again",
        )
    return name, number


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _same(one: str, other: str) -> bool:
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other


def pin_of(distribution: metadata.Distribution) -> tuple[str, str]:
    """An installed library, as a lock has it."""
    return canonicalize_name(distribution.name), str(Version(distribution.version))
