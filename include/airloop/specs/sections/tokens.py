"""The file of the service's bearer tokens: one line, or two while one replaces the other."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from airloop.errors import SpecError
from airloop.textfile import is_there, read_text

#: The first is what clients show; the second, the one of before, is let in for as long as it stands there.
MOST = 2
_TOKEN = re.compile(r"[!-~]+\Z")


def read_tokens(path: Path) -> tuple[str, ...]:
    """The tokens that a file holds, the newest first; no message ever shows one.

    :raises SpecError: if it is not there, others may read it, or it holds no token, too many or what is none
    """
    if not is_there(path):
        raise SpecError(
            "the token's file is missing", where=str(path), remedy="make it: `airloop token rotate`"
        )
    lines = [line.strip() for line in read_text(path).splitlines()]
    _refuse_open(path)
    found = [line for line in lines if line]
    if not 1 <= len(found) <= MOST:
        raise SpecError(
            f"the token's file must hold one token, or two while one replaces the other, a line each; it holds {len(found)}",
            where=str(path),
            remedy="keep the ones that count, or make a new one: `airloop token rotate --at-once`",
        )
    if not all(_TOKEN.match(line) for line in found):
        raise SpecError(
            "the token's file holds a line that is no token: only letters, digits and signs of ASCII are",
            where=str(path),
            remedy="make a new one: `airloop token rotate --at-once`",
        )
    return tuple(found)


def _refuse_open(path: Path) -> None:
    if path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        raise SpecError(
            "everybody on this machine may read or write the token's file",
            where=str(path),
            remedy=f"`chmod o= {path}`, and since it may be known: `airloop token rotate --at-once`",
        )
