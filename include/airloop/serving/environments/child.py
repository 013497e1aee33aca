"""A version's own process: opens one artifact among other libraries than the service's, and answers for it.

``python -m airloop.serving.environments.child <socket> <lifeline> <folder> <digest>``. It ends with whoever started it: the
kernel itself sends the signal as soon as nobody holds the lifeline's other end, whatever this process is doing.
"""

from __future__ import annotations

import fcntl
import os
import select
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from airloop.errors import AirloopError
from airloop.paths import put_on_path
from airloop.registry import artifacts
from airloop.registry.loader import open_folder
from airloop.serving.environments.frames import ANSWER, ERROR, READY

if TYPE_CHECKING:
    from airloop.registry.loaded import LoadedModel


def main(arguments: list[str]) -> int:
    """Open the version, say so, and answer until nobody asks any more."""
    end_with(int(arguments[1]))
    link, folder, digest = Connection(int(arguments[0])), Path(arguments[2]), arguments[3]
    put_on_path()
    try:
        artifacts.verify(folder, digest)
        model = open_folder(folder, digest)
    except Exception as error:  # a user's module may raise anything
        link.send_bytes(_told(error))
        return 1
    about = {"runtime": model.runtime, "drifted": model.drifted}
    link.send_bytes(bytes([READY]) + orjson.dumps(about))
    while True:
        try:
            question = link.recv()
        except EOFError:
            return 0
        link.send_bytes(_answered(model, question))


def end_with(lifeline: int) -> None:
    """Let the kernel send SIGIO, which ends a process, once the lifeline has no other end."""
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    flags = fcntl.fcntl(lifeline, fcntl.F_GETFL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, flags | os.O_ASYNC)
    if select.select([lifeline], [], [], 0)[0]:  # it is gone already
        os._exit(1)


def _answered(model: LoadedModel, question: tuple[Any, ...]) -> bytes:
    act, *about = question
    try:
        found = model.answer(*about) if act == "answer" else model.predict(*about)
        return bytes([ANSWER]) + np.ascontiguousarray(found, np.float64).tobytes()
    except Exception as error:  # a user's features() may raise anything
        return _told(error)


def _told(error: Exception) -> bytes:
    if isinstance(error, AirloopError):
        value = None if error.value is None else str(error.value)
        told = {"what": error.what, "value": value, "where": error.where, "remedy": error.remedy}
    else:
        told = {}
    return bytes([ERROR]) + orjson.dumps({"kind": type(error).__name__, **told})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
