"""More models than memory: loaded by their first request, and let go for others, least recently asked first."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from airloop.contracts import ArtifactRef
from airloop.errors import ArtifactError, UnreachableError
from airloop.serving.log.frames import read_segment
from airloop.serving.log.predictionlog import log_folder, segments
from airloop.serving.log.records import decode
from airloop.serving.responses import Condition
from airloop.serving.runtime.endpoints import Endpoints
from airloop.serving.runtime.residence import LEAST, Residence, release, resident
from airloop.vocabulary import DeploymentKind
from tests.support.serving_fakes import (
    GOOD_ROW,
    FakeLedger,
    FakeModel,
    artifact,
    client,
    dataset_spec,
    model_spec,
)

Scenario = Callable[[httpx.AsyncClient, Endpoints], Awaitable[None]]
#: What a process takes without a version, and with each: as many as :data:`ROOM` fit.
BASE, EACH, ROOM = 1_000 * LEAST, 10 * LEAST, 4
BOUND = BASE + ROOM * EACH


def world(count: int) -> FakeLedger:
    """A ledger that names a first version of so many models; ``m1`` answers ``x``, ``m2`` twice that, and so on."""
    ledger = FakeLedger()
    ledger.names = [f"m{one}" for one in range(1, count + 1)]
    for one, name in enumerate(ledger.names, 1):
        ledger.deploy(one, FakeModel(float(one), model_spec(name)), name=name)
    return ledger


def loaded(slots: Endpoints) -> set[str]:
    return {one.model for one in slots.all() if one.current is not None}


def run(
    home: Path, ledger: FakeLedger, scenario: Scenario, *, pinned: tuple[str, ...] = ()
) -> None:
    async def main() -> None:
        slots = ledger.slots(home)
        slots._residence = Residence(
            slots.all,
            BOUND,
            pinned,
            measure=lambda: BASE + EACH * len(loaded(slots)),
            give_back=lambda: None,
        )
        await slots.refresh(asked=False)
        async with client(slots) as http:
            await scenario(http, slots)
        await slots.close()

    asyncio.run(main())


async def ask(http: httpx.AsyncClient, model: str, **row: Any) -> httpx.Response:
    return await http.post(f"/models/{model}/predict", json={"rows": [{**GOOD_ROW, **row}]})


async def answered(http: httpx.AsyncClient, *models: str) -> None:
    for model in models:
        answer = await ask(http, model, x=1.0)
        assert answer.status_code == 200, answer.text
        assert answer.json()["predictions"] == [float(model[1:])]


def test_a_model_is_loaded_by_its_first_request(tmp_path: Path) -> None:
    ledger = world(3)

    async def scenario(http: httpx.AsyncClient, slots: Endpoints) -> None:
        assert (await http.get("/readyz")).status_code == 200
        assert {one.condition for one in slots.states()} == {Condition.RESTING}
        assert ledger.loads == []
        await answered(http, "m2")
        assert ledger.loads == [artifact(2).uri]
        (state,) = slots.states("m2")
        assert (state.condition, state.version) == (Condition.SERVING, 1 + 1)

    run(tmp_path, ledger, scenario)


def test_many_that_ask_at_once_load_it_once(tmp_path: Path) -> None:
    ledger = world(1)

    async def scenario(http: httpx.AsyncClient, slots: Endpoints) -> None:
        await asyncio.gather(*(answered(http, "m1") for _ in range(20)))
        assert len(ledger.loads) == 1

    run(tmp_path, ledger, scenario)


def test_who_was_asked_longest_ago_goes_and_comes_back(tmp_path: Path) -> None:
    ledger = world(6)

    async def scenario(http: httpx.AsyncClient, slots: Endpoints) -> None:
        await answered(http, "m1", "m2", "m3", "m1", "m4", "m5")
        assert len(loaded(slots)) <= ROOM
        assert "m2" not in loaded(slots)
        assert {"m1", "m5"} <= loaded(slots)
        (state,) = slots.states("m2")
        assert (state.condition, state.version, state.requests) == (Condition.RESTING, 2, 1)
        await answered(http, "m2", "m6", "m3")
        assert len(loaded(slots)) <= ROOM

    run(tmp_path, ledger, scenario)


def test_counters_limit_and_log_of_one_that_was_let_go_stay(tmp_path: Path) -> None:
    ledger = world(8)

    async def scenario(http: httpx.AsyncClient, slots: Endpoints) -> None:
        for _ in range(3):
            await answered(http, *ledger.names)
        assert [one.requests for one in slots.states()] == [3] * 8
        assert len(loaded(slots)) <= ROOM

    run(tmp_path, ledger, scenario)
    for name in ledger.names:
        (path,) = segments(log_folder(tmp_path, name))
        assert decode(read_segment(path).frames, dataset_spec()).num_rows == 3


def test_a_pinned_one_is_there_from_the_start_and_stays(tmp_path: Path) -> None:
    ledger = world(9)

    async def scenario(http: httpx.AsyncClient, slots: Endpoints) -> None:
        assert loaded(slots) == {"m3"}
        await answered(http, *ledger.names, *ledger.names)
        assert "m3" in loaded(slots)
        assert ledger.loads.count(artifact(3).uri) == 1

    run(tmp_path, ledger, scenario, pinned=("m3",))


def test_one_that_is_answering_stays(tmp_path: Path) -> None:
    ledger = world(9)
    held, release_it = threading.Event(), threading.Event()

    def wait() -> None:
        held.set()
        release_it.wait(20)

    async def scenario(http: httpx.AsyncClient, slots: Endpoints) -> None:
        await answered(http, "m1")
        ledger.artifacts[artifact(1).uri].before = wait
        asking = asyncio.create_task(answered(http, "m1"))
        await asyncio.to_thread(held.wait, 20)
        await answered(http, *ledger.names[1:])
        assert "m1" in loaded(slots)
        release_it.set()
        await asking
        assert ledger.loads.count(artifact(1).uri) == 1

    run(tmp_path, ledger, scenario)


def test_nobody_holds_what_was_let_go(tmp_path: Path) -> None:
    """The batches' loop held the last question of each model, and so its version: 1,000 models took 991 MiB of 512."""
    ledger = world(9)
    alive = weakref.WeakSet[FakeModel]()

    def fresh(ref: ArtifactRef) -> FakeModel:
        number = int(ref.uri.split("/")[1])
        model = FakeModel(float(number), model_spec(f"m{number}"))
        alive.add(model)
        return model

    ledger.load = fresh  # type: ignore[method-assign]

    async def scenario(http: httpx.AsyncClient, slots: Endpoints) -> None:
        await answered(http, *ledger.names)
        answer = await ask(http, "m9", **{"class": "poison"})
        assert answer.status_code == 500
        await answered(http, *ledger.names[:4])
        gc.collect()
        assert len(alive) <= ROOM

    run(tmp_path, ledger, scenario)


def test_a_promotion_of_a_resting_model_is_loaded_before_it_is_confirmed(tmp_path: Path) -> None:
    ledger = world(3)

    async def scenario(http: httpx.AsyncClient, slots: Endpoints) -> None:
        ledger.deploy(22, FakeModel(22.0, model_spec("m2")), name="m2")
        shown = (await http.post("/slots/refresh", params={"model": "m2"})).json()["slots"]
        assert [(one["version"], one["error"]) for one in shown] == [(22, None)]
        assert ledger.loads == [artifact(22).uri]
        ledger.deploy(33, ArtifactError("other bytes"), name="m3")
        (shown,) = (await http.post("/slots/refresh", params={"model": "m3"})).json()["slots"]
        assert (shown["version"], shown["condition"]) == (None, Condition.REFUSED)
        assert "other bytes" in shown["error"]

    run(tmp_path, ledger, scenario)


def test_one_that_was_let_go_answers_on_where_the_next_version_is_refused(tmp_path: Path) -> None:
    ledger = world(9)

    async def scenario(http: httpx.AsyncClient, slots: Endpoints) -> None:
        await answered(http, *ledger.names)
        assert "m1" not in loaded(slots)
        ledger.deploy(11, ArtifactError("other bytes"), name="m1")
        await slots.refresh("m1")
        (state,) = slots.states("m1")
        assert (state.version, state.wanted_version, state.condition) == (1, 11, Condition.RESTING)
        await answered(http, "m1")
        (state,) = slots.states("m1")
        assert (state.version, state.condition) == (1, Condition.SERVING)
        assert "other bytes" in str(state.error)

    run(tmp_path, ledger, scenario)


def test_a_broken_one_is_not_loaded_at_each_request_and_harms_nobody(tmp_path: Path) -> None:
    ledger = world(9)
    ledger.artifacts[artifact(5).uri] = ArtifactError("other bytes")

    async def scenario(http: httpx.AsyncClient, slots: Endpoints) -> None:
        for _ in range(3):
            answer = await ask(http, "m5")
            assert answer.status_code == 503
            assert "other bytes" in answer.json()["error"]
        assert ledger.loads.count(artifact(5).uri) == 1
        await answered(http, *(name for name in ledger.names if name != "m5"))
        # Mended, and asked for by a person.
        ledger.artifacts[artifact(5).uri] = FakeModel(5.0, model_spec("m5"))
        await slots.refresh()
        assert "m5" not in loaded(slots)
        await answered(http, "m5")

    run(tmp_path, ledger, scenario)


def test_a_store_that_did_not_answer_is_asked_again_by_a_later_request(tmp_path: Path) -> None:
    ledger = world(9)

    async def scenario(http: httpx.AsyncClient, slots: Endpoints) -> None:
        await answered(http, *ledger.names)
        there, ledger.artifacts[artifact(1).uri] = (
            ledger.artifacts[artifact(1).uri],
            UnreachableError("the store does not answer"),
        )
        for _ in range(2):
            assert (await ask(http, "m1")).status_code == 503
        (state,) = slots.states("m1")
        assert state.condition is Condition.REFUSED
        ledger.artifacts[artifact(1).uri] = there
        assert (await ask(http, "m1")).status_code == 503  # not yet
        ledger.now += 20
        await answered(http, "m1")

    run(tmp_path, ledger, scenario)


def test_a_retired_one_is_not_brought_back(tmp_path: Path) -> None:
    ledger = world(9)

    async def scenario(http: httpx.AsyncClient, slots: Endpoints) -> None:
        await answered(http, *ledger.names)
        ledger.current["m1"] = ledger.current["m1"].model_copy(
            update={"kind": DeploymentKind.RETIRE, "sequence": 99}
        )
        await slots.refresh("m1")
        assert (await ask(http, "m1")).status_code == 503
        (state,) = slots.states("m1")
        assert (state.condition, state.version) == (Condition.RETIRED, None)

    run(tmp_path, ledger, scenario)


def test_a_ledger_that_does_not_answer_wakes_them_all_the_same(tmp_path: Path) -> None:
    ledger = world(3)

    async def scenario(http: httpx.AsyncClient, slots: Endpoints) -> None:
        ledger.down = UnreachableError("no ledger")
        await slots.refresh()
        await answered(http, "m1", "m2")

    run(tmp_path, ledger, scenario)


def test_a_bound_below_what_is_pinned_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = world(7)
    pinned = tuple(ledger.names[:6])

    async def scenario(http: httpx.AsyncClient, slots: Endpoints) -> None:
        await answered(http, *ledger.names, *ledger.names)
        assert loaded(slots) >= set(pinned)

    with caplog.at_level(logging.ERROR, "airloop.serving"):
        run(tmp_path, ledger, scenario, pinned=(*pinned, "nobody"))
    said = [record.getMessage() for record in caplog.records]
    assert len([one for one in said if "more than serving.memory (1040 MiB)" in one]) == 1
    assert len([one for one in said if "without a spec: nobody" in one]) == 1


def test_without_a_bound_every_version_is_there_and_stays(tmp_path: Path) -> None:
    ledger = world(9)

    async def main() -> None:
        slots = ledger.slots(tmp_path)
        await slots.refresh(asked=False)
        assert len(loaded(slots)) == 9
        await slots.close()

    asyncio.run(main())


def test_what_is_let_go_is_given_back_to_the_kernel() -> None:
    class Holding:
        """Refers to itself, as a schema's classes do."""

        def __init__(self) -> None:
            self.me, self.bytes = self, [bytearray(1_000) for _ in range(100_000)]

    gc.disable()
    try:
        held = Holding()
        gone, before = weakref.ref(held), resident()
        del held
        release()
        assert gone() is None
        assert before - resident() > 50_000_000
    finally:
        gc.enable()
