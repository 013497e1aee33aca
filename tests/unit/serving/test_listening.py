"""Who listens on the service's port: one worker alone, or several side by side, and never two services."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from airloop.serving import listening

LOOPBACK = "127.0.0.1"


@pytest.fixture
def open_sockets() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def kept(stack: ExitStack, port: int = 0, *, shared: bool) -> socket.socket:
    """The supervisor's socket."""
    found = stack.enter_context(socket.socket())
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listening._bind_shared(found, (LOOPBACK, port))
    else:
        found.bind((LOOPBACK, port))
    return found


def worker(stack: ExitStack, supervisors: socket.socket, *, shared: bool) -> socket.socket:
    """What a worker that inherited the supervisor's socket listens on."""
    inherited = os.dup(supervisors.fileno())
    stack.callback(os.close, inherited)
    listening.open_own(["--fd", str(inherited)], shared=shared)
    own = stack.enter_context(socket.socket(fileno=os.dup(inherited)))
    own.listen()
    return own


def test_several_workers_listen_side_by_side_and_one_alone_does_not_share(open_sockets: ExitStack):
    supervisors = kept(open_sockets, shared=True)
    first, second = (worker(open_sockets, supervisors, shared=True) for _ in range(2))
    assert first.getsockname() == second.getsockname() == supervisors.getsockname()
    lone = kept(open_sockets, shared=False)
    worker(open_sockets, lone, shared=False)
    with pytest.raises(OSError, match=os.strerror(errno.EADDRINUSE)):
        worker(open_sockets, lone, shared=False)


def test_a_second_service_does_not_share_the_port_of_the_first(open_sockets: ExitStack):
    supervisors = kept(open_sockets, shared=True)
    worker(open_sockets, supervisors, shared=True)
    port = supervisors.getsockname()[1]
    for shared in (True, False):
        with pytest.raises(OSError, match=os.strerror(errno.EADDRINUSE)):
            kept(open_sockets, port, shared=shared)
