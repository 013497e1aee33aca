"""The processor time and the memory of this process and of all that it started."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

from airloop.accounting.limits import CGROUP

_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class HostReading:
    """What was used until now."""

    cpu_seconds: float
    #: The highest so far.
    peak_bytes: int
    #: This process and its descendants.
    pids: frozenset[int]


class HostUse:
    """Reads the process tree; in a container that the step has for itself, the kernel's own count of it.

    A tree is read as it is at that moment: the memory that a child used between two readings is not seen, its
    processor time is, since the kernel adds it to its parent's.

    :param cgroup: the control group, if all that is in it belongs to the step; None for the process tree
    """

    def __init__(self, cgroup: Path | None = None) -> None:
        self._process = psutil.Process()
        self._cgroup = cgroup
        self._cpu, self._peak = 0.0, 0

    def read(self) -> HostReading:
        """What was used until now; never less than before."""
        cpu, memory, pids = self._tree()
        if self._cgroup is not None:
            cpu = max(cpu, _cgroup_cpu(self._cgroup))
            memory = max(memory, _number(self._cgroup / "memory.peak"))
        self._cpu = max(self._cpu, cpu)
        self._peak = max(self._peak, memory, _high_water())
        return HostReading(self._cpu, self._peak, pids)

    def _tree(self) -> tuple[float, int, frozenset[int]]:
        cpu, memory, pids = 0.0, 0, set()
        for process in (self._process, *self._process.children(recursive=True)):
            try:
                times = process.cpu_times()
                memory += process.memory_info().rss
            except psutil.Error:  # it has just ended: its parent knows its time
                continue
            cpu += times.user + times.system + times.children_user + times.children_system
            pids.add(process.pid)
        return cpu, memory, frozenset(pids)


def own_cgroup() -> Path | None:
    """The control group of a container whose main process this is; None where others are in it, too."""
    return CGROUP if os.getpid() == 1 and (CGROUP / "memory.peak").exists() else None


def _high_water() -> int:
    """The most memory that this process ever had. ``ru_maxrss`` would begin with that of whoever started it."""
    for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _cgroup_cpu(cgroup: Path) -> float:
    for line in (cgroup / "cpu.stat").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(" ")
        if name == "usage_usec":
            return int(value) / 1e6
    return 0.0


def _number(path: Path) -> int:
    text = path.read_text(encoding="ascii").strip()
    return int(text) if text.isdigit() else 0
