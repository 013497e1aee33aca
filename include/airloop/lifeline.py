"""A process that never outlives the one that started it, by Linux's parent-death signal.

``python -m airloop.lifeline <module> <arguments>`` runs a module in this way that does not know of it: torchrun gives its
processes a session of their own, so killing the step's process group would leave them running.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1


def end_with_parent(number: signal.Signals = signal.SIGKILL, parent: int | None = None) -> None:
    """Ask Linux to send this process a signal as soon as its parent is gone; at once if it is gone already.

    :param parent: the id of the process that must live; default: the parent there is now
    """
    parent = parent or os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it went away in between
        os.kill(os.getpid(), number)


def main() -> None:
    """Run the module that the command line names, with the arguments that follow it."""
    end_with_parent()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
