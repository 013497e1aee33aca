"""Several workers as one: nothing is confirmed that one of them does not answer with, counters are added up."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from airloop.serving.responses import Condition, EndpointState
from airloop.serving.runtime import workers as module
from airloop.serving.runtime.admission import Admission
from airloop.serving.runtime.endpoints import Endpoints
from airloop.serving.runtime.peers import Peers, SilentError
from airloop.serving.runtime.workers import Workers, together
from tests.support.serving_fakes import FakeLedger, FakeModel, model_spec


def state(model: str = "doubler", **fields: Any) -> EndpointState:
    return EndpointState(model=model, **{"condition": Condition.SERVING} | fields)


def one_of(*states: EndpointState) -> EndpointState:
    (found,) = together([[one] for one in states])
    return found


def test_an_endpoint_is_where_its_slowest_worker_is_and_its_counters_are_added_up():
    ahead = state(version=2, sequence=2, digest="b", warm_digest="a", limit=64, requests=3, rows=5)
    behind = state(version=1, sequence=1, digest="a", limit=60, requests=4, rows=4, log_failures=1)
    found = one_of(ahead, behind)
    assert found == one_of(behind, ahead)
    assert (found.version, found.sequence, found.digest) == (1, 1, "a")
    assert (found.limit, found.requests, found.rows, found.log_failures) == (124, 7, 9, 1)


def test_a_version_is_in_memory_where_all_have_it():
    ahead, fresh = state(sequence=2, digest="b", warm_digest="a"), state(sequence=2, digest="b")
    assert (one_of(ahead, fresh).digest, one_of(ahead, fresh).warm_digest) == ("b", None)
    assert one_of(ahead, ahead).warm_digest == "a"


def test_what_one_refuses_is_told_and_not_confirmed():
    refused = state(version=1, sequence=1, error="version 2 refused: the disk is full")
    found = one_of(state(version=2, sequence=2), refused)
    assert (found.version, found.error) == (1, "version 2 refused: the disk is full")
    nothing = state(condition=Condition.REFUSED, error="version 2 refused: no")
    assert one_of(state(version=2, sequence=2), nothing).condition is Condition.REFUSED


def test_a_model_that_one_worker_has_not_met_is_starting():
    found = together([[state("a", sequence=1)], [state("a", sequence=1), state("b", sequence=4)]])
    assert [(one.model, one.condition) for one in found] == [
        ("a", Condition.SERVING),
        ("b", Condition.STARTING),
    ]


def test_a_worker_that_rests_and_was_never_asked_is_behind_nobody():
    resting = state(condition=Condition.RESTING)
    assert one_of(resting, state(version=2, sequence=2)).version == 2
    assert one_of(resting, resting).condition is Condition.RESTING


def test_each_worker_takes_its_share_of_what_a_model_takes_at_once():
    admission = Admission(workers=3)
    admission.promise(model_spec(max_concurrency=100).serving)
    assert admission.limit == 34


class Worker:
    """One of several in this process, with endpoints and a ledger of its own."""

    def __init__(self, folder: Path, name: str, number: int = 1) -> None:
        self.ledger, self.peers = FakeLedger(), Peers(folder)
        self.ledger.deploy(number, FakeModel())
        self.endpoints: Endpoints = self.ledger.slots(folder / name)
        self.unready = ""
        self.workers = Workers(self.endpoints, lambda: self.unready, self.peers)

    async def close(self) -> None:
        await self.workers.close()
        await self.endpoints.close()


def run(act: Coroutine[Any, Any, None]) -> None:
    asyncio.run(act)


def test_a_worker_has_its_versions_before_it_takes_connections_and_follows_with_the_others(
    tmp_path: Path,
):
    async def main() -> None:
        one, other = Worker(tmp_path, "one"), Worker(tmp_path, "other")
        for worker in (one, other):
            await worker.workers.open()
            assert worker.endpoints.get("doubler").current.number == 1
        for worker in (one, other):
            worker.ledger.deploy(2, FakeModel())
        error, states, count = await one.workers.follow("doubler")
        assert (error, states[0].version, count) == (None, 2, 2)
        assert other.endpoints.get("doubler").current.number == 2
        # The other refuses the next one: it is not confirmed by this one alone.
        one.ledger.deploy(3, FakeModel())
        other.ledger.deploy(3, ValueError("no"))
        _, states, _ = await one.workers.follow(None)
        assert (states[0].version, "version 3 refused" in states[0].error) == (2, True)
        # Or cannot read the ledger.
        other.ledger.down = OSError("the ledger is away")
        error, _, _ = await one.workers.follow(None)
        assert "the ledger is away" in str(error)
        # What a caller takes for a model's name may be anything.
        assert await one.workers.states("No Name/") == ((), 2)
        await other.close()
        assert (await one.workers.states(None))[1] == 1
        await one.close()

    run(main())


def test_the_service_is_ready_when_all_are_that_take_connections(tmp_path: Path):
    async def main() -> None:
        one, other = Worker(tmp_path, "one"), Worker(tmp_path, "other")
        await one.workers.open()
        other.unready = "nothing is loaded"
        await other.peers.open(other.workers._reply)
        assert await one.workers.unready() == ""
        other.peers.close()
        await other.workers.open()
        assert await one.workers.unready() == "nothing is loaded"
        other.unready = ""
        assert await one.workers.unready() == ""
        await one.close()
        await other.close()

    run(main())


def test_a_dead_workers_socket_is_nobody_and_goes_with_the_next_start(tmp_path: Path):
    async def main() -> None:
        dead = tmp_path / "4194305-dead.sock"  # beyond the ids that Linux gives
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(dead))
        one = Peers(tmp_path)
        assert await one.ask(b"?", 5) == []
        await one.open(lambda question: asyncio.sleep(0, question))
        assert not dead.exists()
        one.close()
        assert list(tmp_path.iterdir()) == []

    run(main())


def test_one_that_lives_and_says_nothing_or_breaks_off_confirms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "FOLLOW_SECONDS", 0.2)
    # Of a process that lives: a dead one's socket is taken away.
    lives = os.getppid()
    path = tmp_path / f"{lives}-hung.sock"

    async def main() -> None:
        one = Worker(tmp_path, "one")
        with socket.socket(socket.AF_UNIX) as hung:
            hung.bind(str(path))
            hung.listen()
            await one.workers.open()
            with pytest.raises(SilentError, match=f"worker {lives} of the service does not answer"):
                await one.workers.follow(None)
        path.unlink()

        async def break_off(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_unix_server(break_off, path)
        with pytest.raises(SilentError, match=f"worker {lives}"):
            await one.workers.follow(None)
        server.close()
        await one.close()

    run(main())
