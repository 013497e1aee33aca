"""Whose a port is, by the kernel's word."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from airloop.listeners import listeners, stranger

ME = os.getuid()


@pytest.mark.parametrize(
    ("family", "address", "reached"),
    [
        (socket.AF_INET, "127.0.0.1", True),
        (socket.AF_INET, "0.0.0.0", True),
        (socket.AF_INET, "127.0.0.2", False),
        (socket.AF_INET6, "::", True),
        (socket.AF_INET6, "::ffff:127.0.0.1", True),
        (socket.AF_INET6, "::ffff:0.0.0.0", True),
        (socket.AF_INET6, "::1", False),
    ],
)
def test_whoever_would_be_asked_on_the_loopback_is_told_from_its_owner(
    family: socket.AddressFamily, address: str, reached: bool
) -> None:
    with socket.socket(family) as one:
        if family is socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        one.bind((address, 0))
        port = one.getsockname()[1]
        assert stranger(port, ME + 1) is None, "nobody listens yet"
        one.listen()
        assert [found.uid for found in listeners(port)] == [ME]
        assert stranger(port) is None
        assert stranger(port, ME + 1) == (ME if reached else None)
        with socket.create_connection(("127.0.0.1", port)) if reached else one:
            pass
    assert not list(listeners(port)), "a connection that ended is no listener"


@pytest.mark.skipif(ME != 0, reason="only root may start a process of another user")
def test_another_users_process_is_a_stranger() -> None:
    code = (
        "import os, socket; os.setuid(65534); one = socket.create_server(('127.0.0.1', 0)); "
        "print(one.getsockname()[1], flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert stranger(int(other.stdout.readline())) == 65534
        other.stdin.write("end\n")
        other.stdin.close()
