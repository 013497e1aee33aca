"""The step host: a process that has the slow libraries loaded and forks a child for each step.

Importing Great Expectations, MLflow or Evidently costs 2 to 6 CPU-seconds, and a step is a process of its own; a
fork of a process that has them costs milliseconds. They are half a gigabyte, so they are loaded for the first step, and
let go when none came for a quarter of an hour: the process begins anew, its socket stays. Only third-party libraries are loaded here, never the project's
modules: a child imports those afresh, so an edited model counts at once. Where no host answers, a step is a plain
child process (``include/airloop/execution/process.py``): slower, the same otherwise.

The conversation on the unix socket (mode 600): the host says ``+`` when it is ready; the caller sends four bytes of
length with the log's file (SCM_RIGHTS), then JSON ``{"module", "argv", "env", "cwd"}``, of which the child becomes
``python -m module argv``; the host answers ``{"pid"}`` and, when the child has ended, ``{"exit"}``, a line each. A caller that hangs up takes its child along; so does a dying host.

It imports nothing of Airloop's that a step runs: what it loads is shared by all children.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import select
import selectors
import signal
import socket
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from airloop.execution.libraries import QUIET, preload
from airloop.execution.listener import begin_anew, inherited, listen

PR_SET_PDEATHSIG = 1
#: Seconds without a step after which the libraries are let go.
IDLE_SECONDS = 900.0
#: Seconds in which a caller who only wants to know whether somebody listens has hung up again.
PROBE_SECONDS = 0.2


@dataclass
class HostedStep:
    """A child that runs for a caller."""

    link: socket.socket
    pid: int
    pidfd: int


class StepHost:
    """Accepts callers, forks their steps, reports how they ended: one thread, one selector.

    :param listener: the socket on which it is called
    """

    def __init__(self, listener: socket.socket) -> None:
        self._selector = selectors.DefaultSelector()
        self._listener = listener
        self._loaded = False
        self._jobs: dict[socket.socket, HostedStep] = {}

    def serve(self, idle: float) -> None:
        """Answer until the process is told to end, or its libraries have not been used for so many seconds."""
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        while True:
            events = self._selector.select(idle if self._loaded else None)
            if not events and len(self._selector.get_map()) == 1:
                return
            for key, _ in events:
                key.data(key.fileobj)

    def _accept(self, _: Any) -> None:
        link, _address = self._listener.accept()
        if not self._loaded:
            # Nobody speaks before the host does: who is readable now has hung up, and only asked whether it is there.
            if select.select([link], [], [], PROBE_SECONDS)[0]:
                link.close()
                return
            preload()
            self._loaded = True
        try:
            link.sendall(b"+")
        except OSError:  # gone already
            link.close()
            return
        self._selector.register(link, selectors.EVENT_READ, self._begin)

    def _begin(self, link: socket.socket) -> None:
        """Read one request and fork."""
        self._selector.unregister(link)
        link.settimeout(10)
        try:
            request, log = _receive(link)
        except (OSError, ValueError, KeyError):  # a caller that changed its mind or died
            link.close()
            return
        sys.stdout.flush()
        host = os.getpid()
        pid = os.fork()
        if pid == 0:
            link.close()
            self._child(request, log, host)
        with contextlib.suppress(OSError):  # the child does it too: whoever comes first
            os.setpgid(pid, pid)
        os.close(log)
        job = HostedStep(link, pid, os.pidfd_open(pid))
        self._jobs[link] = job
        self._selector.register(job.pidfd, selectors.EVENT_READ, lambda _: self._ended(job))
        self._selector.register(link, selectors.EVENT_READ, lambda _: self._hung_up(job))
        _say(link, {"pid": pid})

    def _ended(self, job: HostedStep) -> None:
        """Reap, end what the child left behind in its group, tell the caller."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(job.pid, signal.SIGKILL)
        _, status = os.waitpid(job.pid, 0)
        self._selector.unregister(job.pidfd)
        os.close(job.pidfd)
        del self._jobs[job.link]
        with contextlib.suppress(KeyError):
            self._selector.unregister(job.link)
        _say(job.link, {"exit": os.waitstatus_to_exitcode(status)})
        job.link.close()

    def _hung_up(self, job: HostedStep) -> None:
        """The caller closed, or died: nobody waits for this step any more."""
        self._selector.unregister(job.link)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(job.pid, signal.SIGKILL)

    def _child(self, request: dict[str, Any], log: int, host: int) -> NoReturn:
        """In the fork: become the step's process, run it, end without ever returning to the host's loop."""
        code = 1
        try:
            os.setpgid(0, 0)
            _die_with(host)
            self._forget()
            _settle(request, log)
            code = importlib.import_module(f"{request['module']}.__main__").main(request["argv"])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _forget(self) -> None:
        """In the fork: let go of the host's own files, or other callers would not see theirs close."""
        self._selector.close()
        self._listener.close()
        for job in self._jobs.values():
            job.link.close()
            os.close(job.pidfd)


def main() -> None:
    """Listen at the path given, or in ``<AIRLOOP_HOME>/run``; callers wait while the libraries load."""
    if len(sys.argv) > 1:
        path = Path(sys.argv[1])
    else:
        path = Path(os.environ.get("AIRLOOP_HOME", ".airloop")).absolute() / "run" / "steps.sock"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    listener = inherited() or listen(path)
    StepHost(listener).serve(IDLE_SECONDS)
    begin_anew(listener)


def _receive(link: socket.socket) -> tuple[dict[str, Any], int]:
    """One request and the log's file."""
    head, files, _, _ = socket.recv_fds(link, 4, 1)
    body = b""
    length = int.from_bytes(head, "big")
    while len(head) == 4 and len(body) < length:
        chunk = link.recv(length - len(body))
        if not chunk:
            break
        body += chunk
    if len(files) != 1 or len(body) < length or not body:
        for file in files:
            os.close(file)
        raise ValueError("the request is cut off")
    request: dict[str, Any] = json.loads(body)
    return request, files[0]


def _say(link: socket.socket, message: dict[str, int]) -> None:
    with contextlib.suppress(OSError):  # the caller is gone; _hung_up deals with the child
        link.sendall(json.dumps(message).encode() + b"\n")


def _settle(request: dict[str, Any], log: int) -> None:
    """In the fork: take on the caller's log, environment and folder."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(QUIET | request["env"])
    os.chdir(request["cwd"])
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()  # or all children would draw the same numbers


def _die_with(host: int) -> None:
    """Have the kernel kill this process when the host dies, and notice if it already has."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != host:
        os._exit(1)


if __name__ == "__main__":
    main()
