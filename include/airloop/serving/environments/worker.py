"""A version's own process, from the service's side: asked over a socket, ended where it hangs, started again where it died.

What goes down is pickled: the service starts the process itself, and hides nothing from it. What comes up is never
unpickled: numbers as bytes, or JSON. Foreign code in there can spoil its own version's answers, and end its own process.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import orjson

from airloop import errors
from airloop.errors import AirloopError, UnreachableError
from airloop.registry.code.lock import Lock
from airloop.serving.environments.frames import ANSWER, ERROR, MAX_BYTES, READY
from airloop.serving.environments.overlay import leased

log = logging.getLogger("airloop.serving")

#: Seconds in which it must have opened its version, and in which it must answer.
START_SECONDS, HUNG_SECONDS = 300.0, 20.0
#: The pause before it is started once more, which doubles until it has lived for so long.
PAUSE_SECONDS, MAX_PAUSE_SECONDS, SOUND_SECONDS = 0.1, 60.0, 60.0
#: What a version's code has no business with: who may reach the ledger, the stores and the service.
_PRIVATE = ("AIRLOOP__", "AWS_", "MLFLOW_TRACKING_")
MODULE: Final = "airloop.serving.environments.child"


class _Running:
    """One life of the process."""

    def __init__(self, lock: Lock, home: Path, folder: Path, digest: str) -> None:
        ours, theirs = socket.socketpair()
        # A child that stops in the middle of a message must keep nobody.
        limit = struct.pack("ll", int(HUNG_SECONDS), 0)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        alive, self._alive = os.pipe()
        self.link = Connection(ours.detach())
        self.since = time.monotonic()
        try:
            with theirs, leased(lock, home) as (libraries, lease):
                self.process = subprocess.Popen(
                    [
                        *(sys.executable, "-P", "-m", MODULE, str(theirs.fileno()), str(alive)),
                        *(str(folder), digest),
                    ],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(), alive, lease),
                    process_group=0,
                    env=_environment(libraries),
                )
        except BaseException:
            self.link.close()
            os.close(self._alive)
            raise
        finally:
            os.close(alive)

    def receive(self, seconds: float) -> tuple[int, bytes]:
        """A message's kind and the rest of it."""
        if not self.link.poll(seconds):
            raise TimeoutError(f"no answer within {seconds:g} s")
        content = self.link.recv_bytes(MAX_BYTES)
        return content[0], content[1:]

    def end(self) -> None:
        """Kill it, and leave nothing."""
        self.process.kill()
        self.process.wait()
        self.link.close()
        os.close(self._alive)


class Worker:
    """The process of one version, for as long as somebody asks it."""

    def __init__(self, lock: Lock, home: Path, folder: Path, digest: str) -> None:
        self._made_of = (lock, home, folder, digest)
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._closed = threading.Event()
        self._pause = 0.0
        self.name = digest[:19]

    def start(self) -> Mapping[str, Any]:
        """Let it open its version; returns what it says of it.

        :raises ArtifactError: if the version cannot be opened there
        :raises UnreachableError: if the process does not come up
        """
        running = _Running(*self._made_of)
        try:
            kind, content = running.receive(START_SECONDS)
            told: Mapping[str, Any] = orjson.loads(content)
            if kind == ERROR:
                raise _error(told)
            if kind != READY:
                raise ValueError("no word of a version's process")
        except (OSError, EOFError, ValueError, IndexError) as error:
            running.end()
            raise UnreachableError(
                "the version's own process did not come up",
                value=f"exit code {running.process.returncode}, {type(error).__name__}: {error}",
                where=self.name,
            ) from error
        except BaseException:
            running.end()
            raise
        self._running = running
        if self._closed.is_set():
            self.close()
        log.info("%s: process %d answers for it", self.name, running.process.pid)
        return told

    @property
    def pid(self) -> int | None:
        """The process's id, while there is one."""
        return self._running.process.pid if self._running is not None else None

    def ask(self, question: tuple[Any, ...]) -> bytes:
        """What it answers, as bytes.

        :raises UnreachableError: if it died, hangs, or is being started again
        :raises AirloopError: what its version raised
        """
        with self._lock:
            running = self._running
            if running is None:
                raise UnreachableError("the version's own process is being started again")
            try:
                running.link.send(question)
                kind, content = running.receive(HUNG_SECONDS)
                if kind == ANSWER:
                    return content
                told = orjson.loads(content)
            except (OSError, EOFError, ValueError, IndexError) as error:
                self._lost(running, error)
                raise UnreachableError(
                    "the version's own process died, or hung, over these rows", where=self.name
                ) from error
        raise _error(told)

    def close(self) -> None:
        """End it for good."""
        self._closed.set()
        running, self._running = self._running, None
        if running is not None:
            running.end()

    def _lost(self, running: _Running, error: Exception) -> None:
        self._running = None
        if self._closed.is_set():
            return
        running.end()
        lived = time.monotonic() - running.since
        code = running.process.returncode
        # The error's name only: a kept record would keep its traceback, and by that the model.
        log.error(
            "%s: its process is gone after %.0f s (exit code %d, %s)",
            *(self.name, lived, code, type(error).__name__),
        )
        if lived >= SOUND_SECONDS:
            self._pause = 0.0
        threading.Thread(target=self._again, daemon=True, name=f"start {self.name}").start()

    def _again(self) -> None:
        while True:
            self._pause = min(max(PAUSE_SECONDS, 2 * self._pause), MAX_PAUSE_SECONDS)
            if self._closed.wait(self._pause):
                return
            try:
                self.start()
            except (AirloopError, OSError) as error:
                log.error("%s: it cannot be started again: %s", self.name, error)
            else:
                return


def _environment(libraries: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_PRIVATE)}
    path = os.pathsep.join(filter(None, (str(libraries), kept.get("PYTHONPATH"))))
    return {**kept, "PYTHONPATH": path}


def _error(told: Mapping[str, Any]) -> Exception:
    """What the version raised there: an error of Airloop's, or one without a name here."""
    kind = getattr(errors, str(told.get("kind")), None)
    what, value = str(told.get("what")), told.get("value")
    if not isinstance(kind, type) or not issubclass(kind, AirloopError):
        return AirloopError("the version's own process failed", value=str(told.get("kind")))
    return kind(what, value=value, where=str(told.get("where")), remedy=str(told.get("remedy")))
