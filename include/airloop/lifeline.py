"""A process that never outlives the one that started it, by Linux's parent-death signal."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1


def end_with_parent(number: signal.Signals = signal.SIGKILL, parent: int | None = None) -> None:
    """Ask Linux to send this process a signal as soon as its parent is gone; at once if it is gone already.

    :param parent: the id of the process that must live; default: the parent there is now
    """
    parent = parent or os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it went away in between
        os.kill(os.getpid(), number)
