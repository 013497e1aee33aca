"""Which Airloop made a project: the key ``airloop`` of its ``config/airloop.yaml``, with the version in quotes."""

from __future__ import annotations

import re
from pathlib import Path

from airloop import __version__
from airloop.errors import SpecError
from airloop.specs.yaml.document import read_document

#: What the key holds, and the version of this Airloop.
PATTERN = r"^\d+\.\d+\.\d+$"


def made_by(file: Path) -> str | None:
    """The version that made a project, or was the last to upgrade it; None where the file says none, or is wrong."""
    try:
        found = read_document(file).data.get("airloop")
    except SpecError:
        # Whoever reads the settings says what is wrong with the file.
        return None
    return found if isinstance(found, str) and re.match(PATTERN, found) else None


def refuse_newer(version: object, where: str) -> None:
    """Stop where a newer Airloop made the project: its files may say what this one would misread.

    :raises SpecError: if so
    """
    if not isinstance(version, str) or not re.match(PATTERN, version):
        return
    if order(version) > order(__version__):
        raise SpecError(
            f"a newer Airloop made this project, and this one is {__version__}",
            value=version,
            where=where,
            remedy=f"install airloop=={version}",
        )


def order(version: str) -> tuple[int, ...]:
    """What versions are compared by."""
    return tuple(int(part) for part in version.split("."))
