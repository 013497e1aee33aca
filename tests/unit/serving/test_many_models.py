"""Some hundred models in one service: neither threads nor open files grow with their number."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

from sqlalchemy import event

from airloop.ledger import Ledger
from airloop.serving.log.frames import read_segment
from airloop.serving.log.openlogs import OpenLogs
from airloop.serving.log.predictionlog import log_folder, segments
from airloop.serving.log.records import decode
from airloop.serving.runtime import bringing, endpoints
from airloop.serving.runtime.endpoints import Endpoints
from airloop.serving.runtime.following import Following
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

MODELS, OPEN = 300, 40


async def ask_all_twice(slots: Endpoints, names: list[str]) -> tuple[int, int]:
    """Threads and open files beyond those before."""
    threads, before = threading.active_count(), files()
    await slots.refresh()
    async with client(slots) as http:
        for name in names:
            answer = await http.post(f"/models/{name}/predict", json={"rows": [GOOD_ROW]})
            assert answer.status_code == 200, answer.text
        for _ in range(2):
            await asyncio.gather(
                *(http.post(f"/models/{name}/predict", json={"rows": [GOOD_ROW]}) for name in names)
            )
    grown = threading.active_count() - threads, files() - before
    await slots.close()
    return grown


def files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_threads_and_descriptors_do_not_grow_with_the_number_of_models(tmp_path: Path) -> None:
    """1,000 models were 1,006 threads, and the 1,019th log could not be opened."""
    ledger = FakeLedger()
    ledger.names = [f"model_{one}" for one in range(MODELS)]
    for one, name in enumerate(ledger.names, 1):
        ledger.deploy(one, FakeModel(spec=model_spec(name)), name=name)
    slots = ledger.slots(tmp_path)
    slots._open_logs = OpenLogs(limit=OPEN)
    threads, opened = asyncio.run(ask_all_twice(slots, ledger.names))
    # Those that predict, those that load, and asyncio's own.
    assert threads <= endpoints.THREADS + bringing.LOADS + 10
    assert opened <= OPEN + 10
    for name in ledger.names:
        (path,) = segments(log_folder(tmp_path, name))
        assert decode(read_segment(path).frames, dataset_spec()).num_rows == 3


async def promote_one(slots: Endpoints) -> int:
    """What a promotion asks of the service, after its row; returns how many bytes it was answered."""
    async with client(slots) as http:
        refreshed = await http.post("/slots/refresh", params={"model": "doubler"})
        shown = await http.get("/slots", params={"model": "doubler"})
    assert (refreshed.status_code, shown.status_code) == (200, 200)
    assert [one["model"] for one in shown.json()["slots"]] == ["doubler"]
    return len(refreshed.content) + len(shown.content)


def asked(home: Path, neighbours: int) -> tuple[list[Any], int, int]:
    """What one promotion asks of the ledger, how often of the catalogue, and how many bytes answer it."""
    ledger = Ledger(f"sqlite:///{home}/ledger-{neighbours}.db")
    names = ["doubler", *(f"model_{one}" for one in range(neighbours))]
    for name in names:
        ledger.record_deployment(
            ledger.begin_attempt(f"promote:{name}"),
            model=name,
            version=1,
            artifact=artifact(1),
            kind=DeploymentKind.PROMOTE,
            reason="first",
        )
    looks, statements = list[str](), list[Any]()

    def kept(*arguments: Any) -> None:
        statements.append(arguments[2:4])

    def models() -> list[str]:
        looks.append("all")
        return names

    async def main() -> int:
        following = Following()
        slots = Endpoints(
            home,
            models=models,
            deployed=lambda: following.all(ledger),
            deployed_one=lambda model: following.one(ledger, model),
            load=lambda ref: FakeModel(),
        )
        await slots.refresh()
        looks.clear()
        event.listen(ledger._database.engine, "before_cursor_execute", kept)
        size = await promote_one(slots)
        await slots.close()
        return size

    size = asyncio.run(main())
    return statements, len(looks), size


def test_a_promotion_asks_about_its_model_alone(tmp_path: Path) -> None:
    """A thousand promotions were a thousand looks at a thousand models: 39 minutes of CPU."""
    alone, among = asked(tmp_path, 0), asked(tmp_path, 30)
    assert [statement for statement, _ in alone[0]] == [statement for statement, _ in among[0]]
    assert all("doubler" in str(values) for statement, values in among[0] if "SELECT" in statement)
    assert (alone[1], among[1]) == (0, 0)
    assert abs(alone[2] - among[2]) < 20  # times differ in their digits


def test_a_model_that_is_new_to_the_service_is_looked_for(tmp_path: Path) -> None:
    ledger = FakeLedger()
    ledger.names = []
    slots = ledger.slots(tmp_path)

    async def main() -> None:
        await slots.refresh()
        ledger.names = ["doubler"]
        ledger.deploy(1, FakeModel())
        await slots.refresh("doubler")
        (state,) = slots.states("doubler")
        assert (state.version, slots.states("unknown")) == (1, ())
        await slots.close()

    asyncio.run(main())
