"""A step as a running process: forked by the step host where one answers, else a plain child; the same either way.

The child leads a process group of its own, so that killing it takes its helpers along. It never outlives its
caller: a plain child holds the reading end of a pipe whose other end the caller holds, a hosted child is killed
by the host when the caller's connection closes. The kernel closes both even when the caller dies by SIGKILL.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from airloop.accounting.limits import allocators
from airloop.errors import TransientError
from airloop.execution.interpreter import check_interpreter
from airloop.paths import DIGEST, PROJECT, home_folder, root
from airloop.specs.sections.storage import SECRETS

#: The package that is run with a step's arguments, by an interpreter as by the step host.
STEPS = "airloop.steps"
#: How long a child may take to end after SIGTERM before its group is killed, in seconds.
GRACE_SECONDS = 5.0
#: How long to wait for a host that imports its libraries before doing without it, in seconds: on a busy machine the
#: child would take no less, and a host that died is known at once.
HOST_SECONDS = 600.0


class Process(Protocol):
    """A started step."""

    pid: int

    def fileno(self) -> int:
        """A file that becomes readable when the process has ended."""

    def exit_code(self) -> int:
        """How it ended, once ``fileno`` is readable; negative for a signal."""

    def close(self) -> None:
        """Let go of it; it dies if it is still running."""


class Child:
    """A plain child process."""

    def __init__(
        self,
        argv: Sequence[str],
        log: int,
        python: str | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        lifeline, self._alive = os.pipe()
        try:
            self._popen = subprocess.Popen(
                [
                    *([python, *command()[1:]] if python else command()),
                    *argv,
                    "--lifeline",
                    str(lifeline),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lifeline,),
                process_group=0,
                env=environment(extra),
                cwd=root(),
            )
        finally:
            os.close(lifeline)
        self.pid = self._popen.pid
        self._ended = os.pidfd_open(self.pid)

    def fileno(self) -> int:
        """The pidfd."""
        return self._ended

    def exit_code(self) -> int:
        """What ``waitpid`` says."""
        return self._popen.wait()

    def close(self) -> None:
        """Close the lifeline and reap."""
        os.close(self._alive)
        self._popen.wait()
        os.close(self._ended)


class Hosted:
    """A child of the step host, behind the connection ``link``."""

    def __init__(
        self,
        argv: Sequence[str],
        log: int,
        link: socket.socket,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        self._link = link
        self._lines = link.makefile("rb")
        request = {
            "module": STEPS,
            "argv": list(argv),
            "env": environment(extra),
            "cwd": str(root()),
        }
        body = json.dumps(request).encode()
        socket.send_fds(link, [len(body).to_bytes(4, "big")], [log])
        link.sendall(body)
        answer = self._lines.readline()
        if not answer:
            self.close()
            raise ConnectionResetError("the step host went away before it started the step")
        self.pid = int(json.loads(answer)["pid"])

    def fileno(self) -> int:
        """The connection: it speaks again only when the step has ended."""
        return self._link.fileno()

    def exit_code(self) -> int:
        """What the host reports; a host that died says nothing."""
        answer = self._lines.readline()
        if not answer:
            raise TransientError("the step host died while the step ran")
        return int(json.loads(answer)["exit"])

    def close(self) -> None:
        """Close the connection: the host kills what still runs behind it."""
        self._lines.close()
        self._link.close()


def start(
    argv: Sequence[str],
    log: int,
    python: str | None = None,
    extra: Mapping[str, str] | None = None,
) -> Process:
    """Start ``python -m airloop.steps <argv>`` with its output going to the file ``log``.

    :param python: an interpreter of another environment, which no fork of the step host can be
    :param extra: variables that only the step gets
    :raises SpecError: if there is no such interpreter, or no step can run in its environment
    """
    if python is not None:
        check_interpreter(python)
    link = _connect() if python is None else None
    if link is not None:
        try:
            return Hosted(argv, log, link, extra)
        except OSError:  # the host died just now, and what it may have forked died with it
            link.close()
    return Child(argv, log, python, extra)


def stop(process: Process) -> None:
    """End the process's whole group: SIGTERM, a grace period, SIGKILL."""
    ended = os.dup(
        process.fileno()
    )  # another thread may be waiting for it, and close its own at the end
    try:
        os.killpg(process.pid, signal.SIGTERM)
        with selectors.DefaultSelector() as selector:
            selector.register(ended, selectors.EVENT_READ)
            selector.select(GRACE_SECONDS)
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # the whole group is gone
    finally:
        os.close(ended)


def command() -> list[str]:
    """The command that a plain child runs, to which the step's arguments are added."""
    return [sys.executable, "-m", STEPS]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The child's environment: the caller's without Airflow's own, which hold its database URL and keys.

    It names the project: a step never looks for one. Its digest is for steps that run elsewhere: here it is the same
    folder, and a spec of another model that is saved meanwhile must not keep this step from beginning.

    Where ``extra`` brings credentials, the caller's own are left out: half of one and half of another fit nothing.
    """
    kept = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}
    own = {name.upper() for name in SECRETS}
    if extra and own & extra.keys():
        kept = {key: value for key, value in kept.items() if key not in own}
    kept |= extra or {}
    # Boosting's threads otherwise spin at their barriers, which on busy cores costs many times the work.
    kept.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    kept = allocators() | kept
    kept.pop(DIGEST, None)
    return kept | {PROJECT: str(root()), "PYTHONUNBUFFERED": "1"}


def socket_path() -> Path:
    """Where the step host of this home listens."""
    return home_folder() / "run" / "steps.sock"


def _connect() -> socket.socket | None:
    """A connection to a host that said it is ready; None where there is none."""
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        link.connect(str(socket_path()))
        link.settimeout(HOST_SECONDS)
        if link.recv(1) == b"+":
            link.settimeout(None)
            return link
    except OSError:  # no host, a dead one, or a path too long for a socket: a plain child does
        pass
    link.close()
    return None


def drain(fd: int) -> bytes | None:
    """All that can be read now: empty bytes at the end of the file, None where nothing waits."""
    chunks: list[bytes] = []
    while True:
        try:
            chunk = os.read(fd, 65536)
        except BlockingIOError:
            return b"".join(chunks) or None
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)
