"""Who listens on a port of this machine, by the kernel's own word: nobody has to be asked, least of all who listens there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: A socket's state in the kernel's tables.
_LISTEN: Final = "0A"
#: 127.0.0.1 and every address, as the tables write them: what one on the loopback of IPv4 reaches.
_REACHED: Final = frozenset(
    {"0100007F", "00000000", "0" * 32, "0000000000000000FFFF00000100007F", "0" * 16 + "FFFF0000" + "0" * 8}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that listens."""

    address: str
    #: The user to whom it belongs, and its number as /proc shows it among a process's files.
    uid: int
    inode: str


def listeners(port: int) -> Iterator[Listener]:
    """Those of a port; none where the system has no such tables."""
    for table in ("tcp", "tcp6"):
        path = Path("/proc/net") / table
        if not path.exists():
            continue
        for line in path.read_text(encoding="utf-8").splitlines()[1:]:
            fields = line.split()
            address, _, number = fields[1].rpartition(":")
            if fields[3] == _LISTEN and int(number, 16) == port:
                yield Listener(address, int(fields[7]), fields[9])


def stranger(port: int, uid: int | None = None) -> int | None:
    """The user who has taken a port of the loopback, if it is another than this one.

    :param uid: whose it should be; default: this process's
    """
    mine = os.getuid() if uid is None else uid
    found = {one.uid for one in listeners(port) if one.address in _REACHED}
    return min(found - {mine}, default=None)
