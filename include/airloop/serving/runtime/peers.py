"""How the workers of one service ask each other: each listens on a Unix socket of its own, in a folder of this user's.

A socket that nobody listens on is that of a worker that is gone. Whatever else goes wrong is no answer, and whoever asked
must not take it for one.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil

log = logging.getLogger("airloop.serving")

#: Names the folder: the supervisor makes it, its workers inherit the name. By it alone they know that they are several,
#: since the settings may have changed when one is started again.
_FOLDER = "AIRLOOP_SERVICE_PEERS"
_SOCKET = ".sock"


class SilentError(Exception):
    """A worker that lives has said nothing."""


def make_folder(workers: int) -> None:
    """Make the folder for several workers, in the supervisor: it goes with it.

    Under the system's own, since a socket's path must be short.
    """
    os.environ.pop(_FOLDER, None)
    if workers == 1:
        return
    folder = tempfile.mkdtemp(prefix="airloop-service-")
    os.environ[_FOLDER] = folder
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


def folder() -> Path | None:
    """The folder that the supervisor made; None where this worker is the only one."""
    name = os.environ.get(_FOLDER)
    return Path(name) if name is not None else None


class Peers:
    """The workers beside this one.

    :param folder: where all of them have their sockets
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # An id comes again: what stands for a dead worker is never taken over.
        self._path = folder / f"{os.getpid()}-{secrets.token_hex(4)}{_SOCKET}"
        self._server: asyncio.Server | None = None

    async def open(self, reply: Callable[[bytes], Awaitable[bytes]]) -> None:
        """Be asked from now on."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                writer.write(await reply(await reader.read()))
                await writer.drain()
            except OSError as error:  # who asked is gone, or has no patience left
                log.info("a worker's question was not waited for: %s", error)
            finally:
                writer.close()

        for path in self._folder.glob(f"*{_SOCKET}"):
            if not psutil.pid_exists(int(path.name.partition("-")[0])):
                path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(serve, self._path)

    def close(self) -> None:
        """Be asked no more."""
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)

    async def ask(self, question: bytes, patience: float) -> list[bytes]:
        """What each of the others answers.

        :raises SilentError: if one does not within ``patience`` seconds, or breaks off
        """
        paths = [path for path in self._folder.glob(f"*{_SOCKET}") if path != self._path]
        answers = await asyncio.gather(*(_ask(path, question, patience) for path in paths))
        return [answer for answer in answers if answer is not None]


async def _ask(path: Path, question: bytes, patience: float) -> bytes | None:
    """One worker's answer; None where it is gone."""
    try:
        async with asyncio.timeout(patience):
            try:
                reader, writer = await asyncio.open_unix_connection(path)
            except (FileNotFoundError, ConnectionRefusedError):
                return None
            try:
                writer.write(question)
                writer.write_eof()
                answer = await reader.read()
            finally:
                writer.close()
    except (TimeoutError, OSError) as error:
        raise _silent(path) from error
    if not answer:
        raise _silent(path)
    return answer


def _silent(path: Path) -> SilentError:
    return SilentError(f"worker {path.name.partition('-')[0]} of the service does not answer")
