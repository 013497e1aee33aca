"""Ports: the usual ones if they are free, others if not, and who holds a taken one."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from airloop.devstack.machine import processes
from airloop.listeners import listeners

HOST = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server could listen there now, on this machine's loopback or on all addresses."""
    for address in (HOST, ""):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


class Promises:
    """The ports that one start has chosen and that its servers do not listen on yet: no other start chooses them.

    Each is a name in the kernel's abstract namespace, which is, as the ports are, the same for all users of a machine and
    another one in each network namespace. A start that is killed leaves none behind.
    """

    def __init__(self) -> None:
        self._kept: dict[int, socket.socket] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for port in tuple(self._kept):
            self.release(port)

    def take(self, port: int) -> bool:
        """Whether the port was promised to nobody, and is this start's now."""
        promise = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            promise.bind(f"\0airloop-port-{port}")
        except OSError as error:
            promise.close()
            if error.errno == errno.EADDRINUSE:
                return False
            raise
        self._kept[port] = promise
        return True

    def release(self, port: int) -> None:
        """Give it back."""
        self._kept.pop(port).close()


def pick(preferred: Sequence[int], promises: Promises) -> int:
    """The first of the preferred ports that is free and promised to nobody, else any such port; promised from now on."""
    for port in preferred:
        if _mine(port, promises):
            return port
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
        if _mine(port, promises):
            return port


def _mine(port: int, promises: Promises) -> bool:
    """Promised first, looked at then: whoever had it promised before listens by now, or never will."""
    if not promises.take(port):
        return False
    if is_free(port):
        return True
    promises.release(port)
    return False


def holder(port: int) -> str:
    """Who listens on a port, as far as the system tells: ``nginx (process 812)``; empty if unknown."""
    inodes = {one.inode for one in listeners(port)}
    for pid in processes():
        for link in _links(Path(f"/proc/{pid}/fd")):
            if link.startswith("socket:[") and link[8:-1] in inodes:
                name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
                return f"{name} (process {pid})"
    return ""


def _links(folder: Path) -> list[str]:
    links = []
    # Another user's process, one that ended in between, a file closed in between.
    with contextlib.suppress(OSError):
        for entry in folder.iterdir():
            with contextlib.suppress(OSError):
                links.append(str(entry.readlink()))
    return links
