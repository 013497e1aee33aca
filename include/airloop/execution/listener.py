"""The step host's socket: it outlives the program that listens, so that nobody who calls is turned away."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import NoReturn

#: Which process handed which socket to itself.
_VARIABLE = "AIRLOOP_HOST_LISTENER"


def listen(path: Path) -> socket.socket:
    """A new one at this path, for its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    listener.listen(64)
    return listener


def begin_anew(listener: socket.socket) -> NoReturn:
    """Run this program again in this process: the memory of its libraries comes back only with another program.

    Whoever calls meanwhile waits in the socket.
    """
    listener.set_inheritable(True)
    os.environ[_VARIABLE] = f"{os.getpid()} {listener.fileno()}"
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 (no shell is wanted)


def inherited() -> socket.socket | None:
    """The socket that this very process had before it began anew."""
    pid, _, number = os.environ.pop(_VARIABLE, "").partition(" ")
    if pid != str(os.getpid()):
        return None
    listener = socket.socket(fileno=int(number))
    listener.set_inheritable(False)
    return listener
