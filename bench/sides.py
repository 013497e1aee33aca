"""The two sides of a comparison: what each took by the clock, of the CPU and of memory."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

Found = TypeVar("Found")


@dataclass(frozen=True)
class Side:
    """One side's cost, in seconds.

    :param cpu: of all threads, and of the children that were waited for
    :param peak_mb: the process's own peak
    :param more: what else is worth a word
    """

    wall: float
    cpu: float
    peak_mb: float | None = None
    more: str = ""

    def shown(self) -> dict[str, Any]:
        """As a row's figures hold it."""
        return asdict(self)


def timed(work: Callable[[], Found]) -> tuple[Found, Side]:
    """Do it, and say what it took."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    found = work()
    return found, Side(time.perf_counter() - wall, cpu_seconds() - cpu, peak_mb())


def middle(sides: list[Side]) -> Side:
    """The median of rounds; memory is the largest."""
    peaks = [side.peak_mb for side in sides if side.peak_mb is not None]
    return Side(
        median(side.wall for side in sides),
        median(side.cpu for side in sides),
        max(peaks, default=None),
        sides[0].more,
    )


def cpu_seconds() -> float:
    """What this process and the children that it waited for have used."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def peak_mb() -> float:
    """The process's own peak: getrusage's would begin with that of the parent that forked it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if "VmHWM" in line)) / 1024
