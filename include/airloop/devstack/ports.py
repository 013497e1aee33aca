"""Ports: the usual ones if they are free, others if not, and who holds a taken one."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

from airloop.devstack.machine import processes

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


def pick(preferred: int, taken: set[int]) -> int:
    """``preferred`` if it is free and not promised to another component, else any free port."""
    if preferred not in taken and is_free(preferred):
        return preferred
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port


def holder(port: int) -> str:
    """Who listens on a port, as far as the system tells: ``nginx (process 812)``; empty if unknown."""
    inodes = _listening_inodes(port)
    for pid in processes():
        for link in _links(Path(f"/proc/{pid}/fd")):
            if link.startswith("socket:[") and link[8:-1] in inodes:
                name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
                return f"{name} (process {pid})"
    return ""


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for table in ("tcp", "tcp6"):
        path = Path("/proc/net") / table
        if not path.exists():
            continue
        for line in path.read_text(encoding="utf-8").splitlines()[1:]:
            fields = line.split()
            # 0A is LISTEN; the local address is hex "address:port".
            if fields[3] == "0A" and int(fields[1].rsplit(":", 1)[1], 16) == port:
                found.add(fields[9])
    return found


def _links(folder: Path) -> list[str]:
    links = []
    # Another user's process, one that ended in between, a file closed in between.
    with contextlib.suppress(OSError):
        for entry in folder.iterdir():
            with contextlib.suppress(OSError):
                links.append(str(entry.readlink()))
    return links
