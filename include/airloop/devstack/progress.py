"""What a start tells a person, and whether a daemon that is starting gets on.

A slow machine is no broken daemon: how long a start takes says nothing. What it does says it: CPU that it uses, lines
that it logs.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from airloop.devstack.machine import processes
from airloop.devstack.processes import ProcessRecord

#: A daemon that did nothing for so long is stuck.
STILL_SECONDS = 120.0
#: CPU that counts as doing something: a twentieth of a core, several times what an idle daemon uses.
BUSY_SECONDS = STILL_SECONDS / 20
#: The heaviest start uses 30 s of CPU: whoever used ten times as much goes round in circles.
MAX_CPU_SECONDS = 300.0
#: And whatever it does, nobody waits longer.
MAX_SECONDS = 3600.0
#: Looking costs a millisecond.
_LOOK = 2.0


class Progress(Protocol):
    """Who is told how the start goes."""

    def begin(self, name: str, title: str) -> None:
        """A part is on its way."""

    def slow(self, name: str, note: str) -> None:
        """A part takes its time, and what it does meanwhile."""

    def done(self, name: str, note: str) -> None:
        """A part is well."""

    def notice(self, text: str) -> None:
        """Something a person should know."""


class Watch:
    """Looks at one daemon that is starting.

    :param log: where its output goes
    """

    def __init__(
        self, record: ProcessRecord, log: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._record, self._log, self._clock = record, log, clock
        self._began = self._looked = self._moved = clock()
        self._cpu = self._cpu_moved = _cpu_seconds(record)
        self._size = _size(log)

    def stuck(self) -> str | None:
        """Why it will not become well, in words that go on "the … ": None while it gets on."""
        now = self._clock()
        if now - self._looked >= _LOOK:
            self._look(now)
        if now - self._moved >= STILL_SECONDS:
            return (
                f"did nothing for {STILL_SECONDS:.0f} s, neither log nor compute, and is not well"
            )
        if self._cpu >= MAX_CPU_SECONDS:
            return f"used {self._cpu:.0f} s of CPU, ten times what a start takes, and is not well"
        if now - self._began >= MAX_SECONDS:
            return f"is not well after {MAX_SECONDS / 60:.0f} min"
        return None

    def said(self) -> str:
        """How far it is, in a few words."""
        now = self._clock()
        load, cores = os.getloadavg()[0], os.cpu_count() or 1
        busy = f"; the machine is busy (load {load:.0f} on {cores} cores)" if load > cores else ""
        return (
            f"still starting after {now - self._began:.0f} s, {self._cpu:.0f} s of CPU so far{busy}: "
            f"{last_line(self._log)}"
        )

    def _look(self, now: float) -> None:
        self._looked, self._cpu, grown = now, _cpu_seconds(self._record), _size(self._log)
        if grown != self._size or self._cpu - self._cpu_moved >= BUSY_SECONDS:
            self._moved, self._cpu_moved, self._size = now, self._cpu, grown


def _cpu_seconds(record: ProcessRecord) -> float:
    """What a daemon and its helpers, those of its session, have used."""
    return sum(seen.cpu for seen in processes().values() if seen.session == record.pid)


def _size(log: Path) -> int:
    """A log's bytes; 0 where there is none."""
    return log.stat().st_size if log.exists() else 0


def last_line(log: Path) -> str:
    """The last line a daemon wrote that says something."""
    for line in reversed(tail(log)):
        return line[:200]
    return "it left no word"


def tail(log: Path, lines: int = 5) -> list[str]:
    """The last lines of a log that say something."""
    with contextlib.suppress(OSError):
        text = log.read_bytes()[-8000:].decode("utf-8", errors="replace")
        said = [line.strip() for line in text.splitlines() if any(map(str.isalpha, line))]
        return said[-lines:]
    return []
