from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from airloop.errors import ArtifactError, UnreachableError
from airloop.serving.runtime.endpoints import Endpoints
from tests.support.serving_fakes import (
    GOOD_ROW,
    FakeLedger,
    FakeModel,
    client,
    model_spec,
    parsed_row,
)


async def started(home: Path, ledger: FakeLedger) -> Endpoints:
    slots = ledger.slots(home)
    await slots.refresh()
    return slots


def test_a_swap_under_traffic_fails_no_request_and_every_answer_is_its_versions(tmp_path: Path):
    ledger = FakeLedger()
    ledger.deploy(1, FakeModel(scale=1.0))

    async def scenario() -> list[tuple[int, float]]:
        slots = await started(tmp_path, ledger)
        answers: list[tuple[int, float]] = []
        done = asyncio.Event()

        async def traffic() -> None:
            while not done.is_set():
                response = await http.post("/predict", json={"rows": [{**GOOD_ROW, "x": 1.0}]})
                assert response.status_code == 200, response.text
                body = response.json()
                answers.append((body["version"], body["predictions"][0]))

        async with client(slots) as http:
            callers = [asyncio.create_task(traffic()) for _ in range(8)]
            for number in range(2, 12):
                ledger.deploy(number, FakeModel(scale=float(number)))
                assert (await http.post("/slots/refresh")).status_code == 200
                while not answers or answers[-1][0] != number:
                    await asyncio.sleep(0.005)  # a busy machine takes its time
            done.set()
            await asyncio.gather(*callers)
        await slots.close()
        return answers

    answers = asyncio.run(scenario())
    assert {version for version, _ in answers} >= set(range(2, 11))
    assert all(prediction == version for version, prediction in answers)


def test_a_request_validated_against_the_old_version_is_answered_by_it(tmp_path: Path):
    ledger = FakeLedger()
    old = FakeModel(scale=1.0)
    ledger.deploy(1, old)
    release = threading.Event()

    async def scenario() -> list[int]:
        slots = await started(tmp_path, ledger)
        async with client(slots) as http:
            old.before = lambda: release.wait(5)  # type: ignore[assignment,return-value]
            waiting = [
                asyncio.create_task(http.post("/predict", json={"rows": [GOOD_ROW]}))
                for _ in range(3)
            ]
            await asyncio.sleep(0.1)
            ledger.deploy(2, FakeModel(scale=5.0))
            await http.post("/slots/refresh")
            release.set()
            versions = [(await task).json()["version"] for task in waiting]
            after = await http.post("/predict", json={"rows": [GOOD_ROW]})
        await slots.close()
        return [*versions, after.json()["version"]]

    assert asyncio.run(scenario()) == [1, 1, 1, 2]


REFUSED = [
    ArtifactError("a file of the model is not the one that was trained"),
    UnreachableError("MLflow does not answer"),
    MemoryError(),
    FakeModel(spec=model_spec("another")),
]


@pytest.mark.parametrize("bad", REFUSED, ids=lambda bad: type(bad).__name__)
def test_a_version_that_cannot_be_loaded_leaves_the_old_one_answering(tmp_path: Path, bad: object):
    ledger = FakeLedger()
    ledger.deploy(1, FakeModel())

    async def scenario() -> None:
        slots = await started(tmp_path, ledger)
        async with client(slots) as http:
            ledger.deploy(2, bad)
            (slot,) = (await http.post("/slots/refresh")).json()["slots"]
            assert (slot["version"], slot["wanted_version"]) == (1, 2)
            assert slot["error"].startswith("version 2 refused")
            answer = await http.post("/predict", json={"rows": [GOOD_ROW]})
            assert answer.json()["version"] == 1
            ledger.deploy(3, FakeModel())
            (slot,) = (await http.post("/slots/refresh")).json()["slots"]
            assert (slot["version"], slot["error"]) == (3, None)
        await slots.close()

    asyncio.run(scenario())


def test_a_version_that_cannot_answer_what_was_just_asked_is_refused(tmp_path: Path):
    ledger = FakeLedger()
    ledger.deploy(1, FakeModel())
    broken = FakeModel(scale=float("nan"))

    async def scenario() -> str | None:
        slots = await started(tmp_path, ledger)
        async with client(slots) as http:
            await http.post("/predict", json={"rows": [GOOD_ROW]})
        ledger.deploy(2, broken)
        await slots.refresh()
        (state,) = slots.states()
        await slots.close()
        assert state.version == 1
        return state.error

    assert "does not answer real rows" in str(asyncio.run(scenario()))


def test_a_permanently_refused_version_is_not_loaded_again_by_the_poll_but_is_when_asked(
    tmp_path: Path,
):
    ledger = FakeLedger()
    ledger.deploy(1, ArtifactError("truncated"))

    async def scenario() -> list[int]:
        slots = await started(tmp_path, ledger)
        counts = [len(ledger.loads)]
        await slots.refresh(asked=False)
        counts.append(len(ledger.loads))
        await slots.refresh(asked=True)
        counts.append(len(ledger.loads))
        ledger.artifacts[ledger.current["doubler"].artifact.uri] = UnreachableError("down")
        await slots.refresh(asked=True)
        await slots.refresh(asked=False)
        counts.append(len(ledger.loads))
        await slots.close()
        return counts

    assert asyncio.run(scenario()) == [1, 1, 2, 4]


def test_going_back_to_the_version_before_loads_nothing(tmp_path: Path):
    ledger = FakeLedger()
    ledger.deploy(1, FakeModel(scale=1.0))

    async def scenario() -> None:
        slots = await started(tmp_path, ledger)
        ledger.deploy(2, FakeModel(scale=2.0))
        await slots.refresh()
        ledger.deploy(1, UnreachableError("MLflow is down"), sequence=3)
        await slots.refresh()
        (state,) = slots.states()
        assert (state.version, state.sequence, state.error) == (1, 3, None)
        ledger.deploy(2, UnreachableError("MLflow is down"), sequence=4)
        await slots.refresh()
        assert slots.states()[0].version == 2
        await slots.close()

    asyncio.run(scenario())
    assert len(ledger.loads) == 2


def test_a_ledger_that_does_not_answer_changes_nothing_and_is_said(tmp_path: Path):
    ledger = FakeLedger()
    ledger.deploy(1, FakeModel())

    async def scenario() -> None:
        slots = await started(tmp_path, ledger)
        ledger.names = None  # type: ignore[assignment]
        async with client(slots) as http:
            refused = await http.post("/slots/refresh")
            assert refused.status_code == 503
            answer = await http.post("/predict", json={"rows": [GOOD_ROW]})
            assert answer.status_code == 200
        await slots.close()

    asyncio.run(scenario())


def test_a_request_waits_for_no_swap(tmp_path: Path):
    """Loading takes as long as it takes, in a thread; requests go on meanwhile."""
    ledger = FakeLedger()
    ledger.deploy(1, FakeModel())
    loading = threading.Event()

    class Slow(FakeModel):
        def predict(self, frame):  # type: ignore[no-untyped-def]
            loading.wait(5)
            return super().predict(frame)

    async def scenario() -> None:
        slots = await started(tmp_path, ledger)
        async with client(slots) as http:
            ledger.deploy(2, Slow())
            refresh = asyncio.create_task(http.post("/slots/refresh"))
            await asyncio.sleep(0.05)
            for _ in range(20):
                answer = await http.post("/predict", json={"rows": [GOOD_ROW]})
                assert answer.json()["version"] == 1
            assert not refresh.done()
            loading.set()
            assert (await refresh).json()["slots"][0]["version"] == 2
        await slots.close()

    asyncio.run(scenario())


def test_the_recent_rows_a_version_is_warmed_with_are_real_ones(tmp_path: Path):
    ledger = FakeLedger()
    ledger.deploy(1, FakeModel())

    async def scenario() -> object:
        slots = await started(tmp_path, ledger)
        async with client(slots) as http:
            await http.post("/predict", json={"rows": [GOOD_ROW]})
        slot = slots.get("doubler")
        await slots.close()
        assert slot is not None
        return slot.recent

    assert asyncio.run(scenario()) == [parsed_row()]
