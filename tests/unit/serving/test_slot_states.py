"""What a slot says while it cannot answer, and how one model's trouble leaves the others alone."""

from __future__ import annotations

import asyncio
import errno
import shutil
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from airloop.errors import ArtifactError, UnreachableError
from airloop.serving.responses import Condition
from airloop.serving.runtime.endpoints import Endpoints
from airloop.serving.runtime.retry import MAX_RETRY_SECONDS, Retry
from airloop.vocabulary import DeploymentKind
from tests.support.serving_fakes import GOOD_ROW, FakeLedger, FakeModel, client, model_spec

Scenario = Callable[[httpx.AsyncClient, Endpoints], Awaitable[None]]


def run(home: Path, ledger: FakeLedger, scenario: Scenario) -> None:
    async def main() -> None:
        slots = ledger.slots(home)
        async with client(slots) as http:
            await scenario(http, slots)
        await slots.close()

    asyncio.run(main())


async def ask(http: httpx.AsyncClient, model: str = "doubler") -> httpx.Response:
    return await http.post(f"/models/{model}/predict", json={"rows": [GOOD_ROW]})


async def slot(http: httpx.AsyncClient, model: str = "doubler") -> dict[str, Any]:
    slots = (await http.get("/slots")).json()["slots"]
    found: dict[str, Any] = next(one for one in slots if one["model"] == model)
    return found


def test_a_right_request_during_the_start_is_asked_to_come_back(tmp_path: Path):
    ledger = FakeLedger()
    ledger.deploy(1, FakeModel())

    async def scenario(http: httpx.AsyncClient, slots: Endpoints) -> None:
        for path in ("/predict", "/models/doubler/predict"):
            response = await http.post(path, json={"rows": [GOOD_ROW]})
            assert response.status_code == 503
            assert response.headers["retry-after"] == "1"
            assert response.json()["error"] == "starting"
        await slots.refresh()
        assert (await ask(http)).status_code == 200
        assert (await ask(http, "nope")).status_code == 404

    run(tmp_path, ledger, scenario)


def test_a_ledger_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path: Path):
    ledger = FakeLedger()
    ledger.down = UnreachableError("the ledger's database does not answer")

    async def scenario(http: httpx.AsyncClient, slots: Endpoints) -> None:
        await slots.refresh()
        seen = await slot(http)
        assert seen["condition"] == Condition.UNREACHABLE.value
        assert "since 2" in seen["error"]
        assert "the ledger's database does not answer" in seen["error"]
        response = await ask(http)
        assert response.status_code == 503
        assert "does not answer" in response.json()["error"]
        since = seen["error"]
        await slots.refresh()
        assert (await slot(http))["error"] == since, "since the first time, not the last"
        ledger.down = None
        await slots.refresh()
        assert (await slot(http))["condition"] == Condition.EMPTY.value
        assert (await slot(http))["error"] is None

    run(tmp_path, ledger, scenario)


def test_a_version_that_serves_goes_on_while_the_ledger_is_away_and_says_so(tmp_path: Path):
    ledger = FakeLedger()
    ledger.deploy(1, FakeModel())

    async def scenario(http: httpx.AsyncClient, slots: Endpoints) -> None:
        await slots.refresh()
        ledger.down = UnreachableError("the ledger's database does not answer")
        await slots.refresh()
        assert (await ask(http)).status_code == 200
        seen = await slot(http)
        assert seen["condition"] == Condition.SERVING.value
        assert "does not answer" in seen["says"]

    run(tmp_path, ledger, scenario)


def test_models_load_side_by_side_and_say_what_they_load(tmp_path: Path):
    ledger = FakeLedger()
    ledger.names = ["aaa_slow", "doubler"]
    ledger.deploy(7, FakeModel(spec=model_spec("aaa_slow")), name="aaa_slow")
    ledger.deploy(1, FakeModel())
    release, load = threading.Event(), ledger.load

    def slow(ref: Any) -> Any:
        if ref.uri == "runs:/7/model":
            release.wait(20)
        return load(ref)

    ledger.load = slow  # type: ignore[method-assign]

    async def scenario(http: httpx.AsyncClient, slots: Endpoints) -> None:
        following = asyncio.create_task(slots.follow())
        async with asyncio.timeout(10):
            while (await ask(http)).status_code != 200:
                await asyncio.sleep(0.01)
        seen = await slot(http, "aaa_slow")
        assert seen["condition"] == Condition.LOADING.value
        assert seen["says"] == "version 7 is being loaded"
        assert "version 7 is being loaded" in (await ask(http, "aaa_slow")).json()["error"]
        only = await http.post("/slots/refresh?model=doubler")
        assert only.status_code == 200, "asked about one model, the other's load is not waited for"
        release.set()
        async with asyncio.timeout(10):
            while (await ask(http, "aaa_slow")).status_code != 200:
                await asyncio.sleep(0.01)
        following.cancel()

    run(tmp_path, ledger, scenario)


def test_a_removed_spec_takes_its_slot_with_it_at_the_next_look(tmp_path: Path):
    ledger = FakeLedger()
    ledger.names = ["doubler", "other"]
    ledger.deploy(1, FakeModel())

    async def scenario(http: httpx.AsyncClient, slots: Endpoints) -> None:
        await slots.refresh()
        assert (await ask(http)).status_code == 200
        ledger.names = ["other"]
        await slots.refresh()
        assert [one.model for one in slots.states()] == ["other"]
        assert (await ask(http)).status_code == 404
        ledger.names = ["doubler", "other"]
        await slots.refresh()
        assert (await ask(http)).status_code == 200

    run(tmp_path, ledger, scenario)


def test_a_retired_model_answers_no_more_and_says_why(tmp_path: Path):
    ledger = FakeLedger()
    ledger.deploy(1, FakeModel())

    async def scenario(http: httpx.AsyncClient, slots: Endpoints) -> None:
        await slots.refresh()
        ledger.current["doubler"] = ledger.current["doubler"].model_copy(
            update={"kind": DeploymentKind.RETIRE, "sequence": 2, "reason": "nobody asks for it"}
        )
        await slots.refresh()
        assert (await ask(http)).json()["error"] == "doubler: retired: nobody asks for it"
        assert (await slot(http))["condition"] == Condition.RETIRED.value
        ledger.deploy(1, FakeModel(), sequence=3)
        await slots.refresh()
        assert (await ask(http)).status_code == 200

    run(tmp_path, ledger, scenario)


def wrapped(error: OSError) -> ArtifactError:
    """As a loader tells it: in a permanent error's words."""
    told = ArtifactError("the artifact cannot be read")
    told.__cause__ = error
    return told


PASSING = [
    OSError(errno.ENOSPC, "No space left on device"),
    shutil.Error([("a", "b", "[Errno 28] No space left on device")]),
    wrapped(OSError(errno.EIO, "Input/output error")),
    UnreachableError("MLflow does not answer"),
    MemoryError(),
]


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
def test_what_may_pass_is_tried_again_by_the_poll(tmp_path: Path, error: Exception):
    ledger = FakeLedger()
    ledger.deploy(1, error)

    async def scenario(http: httpx.AsyncClient, slots: Endpoints) -> None:
        await slots.refresh(asked=False)
        assert (await slot(http))["condition"] == Condition.REFUSED.value
        ledger.artifacts["runs:/1/model"] = FakeModel()
        await slots.refresh(asked=False)
        assert (await ask(http)).status_code == 200

    run(tmp_path, ledger, scenario)


LASTING = [
    ArtifactError("a file of the model is not the one that was trained"),
    wrapped(FileNotFoundError(errno.ENOENT, "No such file or directory")),
    ValueError("features() raised"),
]


@pytest.mark.parametrize("error", LASTING, ids=lambda error: type(error).__name__)
def test_what_cannot_pass_is_not_tried_again_until_somebody_asks(tmp_path: Path, error: Exception):
    ledger = FakeLedger()
    ledger.deploy(1, error)

    async def scenario(http: httpx.AsyncClient, slots: Endpoints) -> None:
        await slots.refresh(asked=False)
        ledger.artifacts["runs:/1/model"] = FakeModel()
        ledger.now = 1e9
        await slots.refresh(asked=False)
        assert (await ask(http)).status_code == 503
        await slots.refresh()
        assert (await ask(http)).status_code == 200

    run(tmp_path, ledger, scenario)


def test_a_disk_that_stays_full_is_asked_less_and_less_often(tmp_path: Path):
    ledger = FakeLedger()
    ledger.deploy(1, OSError(errno.ENOSPC, "No space left on device"))

    async def scenario(_: httpx.AsyncClient, slots: Endpoints) -> None:
        for second in range(0, 201, 10):
            ledger.now = float(second)
            await slots.refresh(asked=False)

    run(tmp_path, ledger, scenario)
    assert len(ledger.loads) == 6  # at 0, 10, 20, 40, 80, 160


def test_the_pause_has_an_end():
    retry = Retry()
    for _ in range(40):
        retry = retry.after(OSError(), 0.0)
    assert retry.at == MAX_RETRY_SECONDS


def test_another_deployment_begins_without_the_refusal_of_the_one_before(tmp_path: Path):
    ledger = FakeLedger()
    ledger.deploy(1, ArtifactError("truncated"))

    async def scenario(http: httpx.AsyncClient, slots: Endpoints) -> None:
        await slots.refresh(asked=False)
        del ledger.current["doubler"]
        await slots.refresh(asked=False)
        assert (await slot(http))["condition"] == Condition.EMPTY.value
        ledger.deploy(2, FakeModel())
        await slots.refresh(asked=False)
        assert (await slot(http))["says"] == "version 2 answers"

    run(tmp_path, ledger, scenario)
