"""What the processes that this one starts take: looked at in the kernel's books, ten times a second."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass
class Watched:
    """The largest of the processes, by both figures, and the seconds of all."""

    wall: float = 0.0
    cpu: float = 0.0
    peak_mb: float = 0.0
    space_mb: float = 0.0


@contextmanager
def watched() -> Iterator[Watched]:
    """Look at all children until the context ends."""
    found, ended = Watched(), threading.Event()
    thread = threading.Thread(target=_look, args=(found, ended), daemon=True)
    began, before = time.monotonic(), _cpu()
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()
        found.wall, found.cpu = time.monotonic() - began, _cpu() - before


def _look(found: Watched, ended: threading.Event) -> None:
    me = psutil.Process()
    while not ended.wait(0.1):
        for child in me.children(recursive=True):
            status = _status(child.pid)
            found.peak_mb = max(found.peak_mb, status.get("VmHWM", 0) / 1024)
            found.space_mb = max(found.space_mb, status.get("VmPeak", 0) / 1024)


def _status(pid: int) -> dict[str, int]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:  # it has ended
        return {}
    return {
        name: int(line.split()[1]) for line in lines if (name := line.split(":")[0])[:2] == "Vm"
    }


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
