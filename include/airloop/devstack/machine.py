"""The processes of this machine, as the kernel tells of them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Seen:
    """One process as the kernel tells of it."""

    pid: int
    parent: int
    session: int
    ticks: int
    #: Seconds of CPU, with those of its children that ended.
    cpu: float = field(default=0.0, compare=False)


def processes() -> dict[int, Seen]:
    """All processes of this machine that are not zombies."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (seen := look(int(entry.name))) is not None:
            found[seen.pid] = seen
    return found


def look(pid: int) -> Seen | None:
    """The process of this number; None where there is none, or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # Counted from the end of the name in parentheses, which may hold anything.
    fields = text.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    cpu = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return Seen(pid, int(fields[1]), session=int(fields[3]), ticks=int(fields[19]), cpu=cpu)


@cache
def boot() -> str:
    """Of which start of the machine all this is."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
