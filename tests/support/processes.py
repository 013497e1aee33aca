"""Whether a process of the tests lives, asked of the system by psutil, which knows every way that it may end meanwhile."""

from __future__ import annotations

import psutil


def state(pid: int) -> str:
    """One of psutil's words, such as ``stopped``; empty for a process that is gone, or of which only the exit code is left."""
    try:
        found = psutil.Process(pid).status()
    except psutil.NoSuchProcess:
        return ""
    return "" if found == psutil.STATUS_ZOMBIE else found


def lives(pid: int) -> bool:
    """Whether it could still do something."""
    return bool(state(pid))
