"""Ports: who holds a taken one is named, and of starts at once no two get the same."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from airloop.devstack import ports
from airloop.devstack.addresses import choose_addresses
from airloop.devstack.layout import Layout
from airloop.devstack.ports import HOST, Promises, pick

STARTS, ROUNDS = 8, 50


@pytest.fixture
def promises() -> Iterator[Promises]:
    with Promises() as made:
        yield made


def free_port() -> int:
    with Promises() as made:
        return pick((), made)


def test_a_taken_port_is_replaced_and_its_holder_named(promises: Promises) -> None:
    with socket.socket() as server:
        server.bind((HOST, 0))
        server.listen()
        taken = server.getsockname()[1]
        assert pick((taken,), promises) != taken
        assert f"process {os.getpid()}" in ports.holder(taken)


def test_a_free_port_is_kept_and_never_given_twice(promises: Promises) -> None:
    free = free_port()
    assert pick((free,), promises) == free
    assert pick((free,), promises) != free


def test_a_promise_ends_with_its_start(promises: Promises) -> None:
    free = free_port()
    with Promises() as others:
        assert pick((free,), others) == free
        assert pick((free,), promises) != free
    assert pick((free,), promises) == free


def test_a_promise_of_another_process_counts_until_it_is_killed(promises: Promises) -> None:
    free = free_port()
    script = (
        "import sys; from airloop.devstack.ports import Promises, pick; kept = Promises();"
        f"print(pick(({free},), kept), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert int(other.stdout.readline()) == free
        assert pick((free,), promises) != free
        other.kill()
    assert pick((free,), promises) == free


def test_starts_at_once_never_choose_the_same_ports() -> None:
    wanted = [free_port() for _ in range(4)]
    together = Barrier(STARTS)

    def start(_: int) -> list[list[int]]:
        found = []
        for _ in range(ROUNDS):
            together.wait()
            with Promises() as promises:
                found.append([pick((port,), promises) for port in wanted])
                together.wait()
        return found

    with ThreadPoolExecutor(STARTS) as pool:
        starts = list(pool.map(start, range(STARTS)))
    rounds = [{port for start in one for port in start} for one in zip(*starts, strict=True)]
    assert {len(chosen) for chosen in rounds} == {STARTS * len(wanted)}
    # Nor does everybody give way: of the wanted ports each serves one of them, but where another program looked too.
    assert sum(set(wanted) <= chosen for chosen in rounds) > ROUNDS / 2


def test_stacks_that_start_at_once_have_addresses_of_their_own(tmp_path: Path) -> None:
    together = Barrier(3)

    def start(number: int) -> list[int]:
        layout = Layout(tmp_path / str(number))
        layout.create()
        together.wait()
        with Promises() as promises:
            found = choose_addresses(layout, (), lambda _: None, promises)
            together.wait()
        return [found.airflow, found.execution, found.mlflow, found.serving]

    with ThreadPoolExecutor(3) as pool:
        chosen = [port for start in pool.map(start, range(3)) for port in start]
    assert len(set(chosen)) == 12
