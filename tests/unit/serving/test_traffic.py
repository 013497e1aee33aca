"""Requests are shared out among versions: one answers each, the champion for whoever cannot, and a shadow none."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from airloop.columns import MODEL_VERSION, REQUEST_ID, ROLE
from airloop.serving.log.frames import read_segment
from airloop.serving.log.predictionlog import segments
from airloop.serving.log.records import decode
from airloop.serving.runtime import breaker, sharing, standby
from airloop.serving.runtime.endpoints import Endpoints
from airloop.vocabulary import Role
from tests.support.serving_fakes import (
    GOOD_ROW,
    FakeLedger,
    FakeModel,
    client,
    dataset_spec,
    model_spec,
)


class Service:
    """A service in this process, with a version 1 that answers ``x`` itself."""

    def __init__(self, home: Path, slots: Endpoints, ledger: FakeLedger, http: httpx.AsyncClient):
        self.home, self.slots, self.ledger, self.http = home, slots, ledger, http

    async def direct(self, *others: tuple[int, Any, Role, float], **more: Any) -> dict[str, Any]:
        self.ledger.direct(*others, **more)
        return await self.follow()

    async def follow(self) -> dict[str, Any]:
        (slot,) = (await self.http.post("/slots/refresh")).json()["slots"]
        return dict(slot)

    async def ask(self, name: str = "a", *rows: dict[str, Any], **fields: Any) -> httpx.Response:
        sent = rows or ({**GOOD_ROW, "x": 1.0, **fields},)
        return await self.http.post(
            "/predict", json={"rows": list(sent)}, headers={"x-request-id": name}
        )

    async def many(self, count: int = 400) -> Counter[int]:
        """So many requests, each right for the version that it names."""
        told = Counter[int]()
        for number in range(count):
            body = (await self.ask(f"r{number}")).json()
            assert body["predictions"] == [float(body["version"])]
            told[body["version"]] += 1
        return told

    async def version(self, number: int) -> dict[str, Any]:
        (slot,) = (await self.http.get("/slots")).json()["slots"]
        return next(one for one in slot["versions"] if one["version"] == number)

    async def until(self, number: int, **figures: int) -> dict[str, Any]:
        """The version's figures, once these have been reached."""
        deadline = time.monotonic() + 20
        while True:
            found = await self.version(number)
            if all(found[name] >= least for name, least in figures.items()):
                return found
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.02)

    def logged(self) -> list[dict[str, Any]]:
        """All rows in the prediction log."""
        folder = self.home / "predictions" / "doubler"
        frames = [frame for path in segments(folder) for frame in read_segment(path).frames]
        return [dict(row) for row in decode(frames, dataset_spec()).to_pylist()]


def serve(home: Path, scenario: Callable[[Service], Awaitable[None]], model: Any = None) -> None:
    async def run() -> None:
        ledger = FakeLedger()
        ledger.deploy(1, model or FakeModel(1.0))
        slots = ledger.slots(home)
        await slots.refresh()
        async with client(slots) as http:
            await scenario(Service(home, slots, ledger, http))
        await slots.close()

    asyncio.run(run())


def test_a_canary_answers_its_share_the_same_requests_again_and_more_of_them_later(
    tmp_path: Path,
) -> None:
    async def scenario(service: Service) -> None:
        state = await service.direct((2, FakeModel(2.0), Role.CANARY, 10))
        assert (state["traffic"], state["version"], state["error"]) == (1, 1, None)
        told = await service.many()
        # Of 400 at 10 %: 40, give or take five standard deviations of six.
        assert 10 <= told[2] <= 70, told
        assert await service.many() == told, "the same ids meet the same versions"
        found = await service.version(2)
        assert (found["asked"], found["answered"]) == (2 * told[2], 2 * told[2])
        assert sum(found["times"]) == 2 * told[2]
        assert (await service.version(1))["answered"] == 2 * told[1]
        state = await service.direct((2, FakeModel(2.0), Role.CANARY, 50))
        assert (state["traffic"], service.ledger.loads.count("runs:/2/model")) == (2, 1)
        assert 150 <= (await service.many())[2] <= 250
        rows = service.logged()
        assert len(rows) == 1200
        assert {(row[MODEL_VERSION], row[ROLE]) for row in rows} == {(1, "champion"), (2, "canary")}
        of_canary = [{row[REQUEST_ID] for row in rows[n : n + 400] if row[MODEL_VERSION] == 2}
                     for n in (0, 800)]  # fmt: skip
        assert of_canary[0] < of_canary[1], "who met it at 10 % does so at 50 %"

    serve(tmp_path, scenario)


def test_its_promotion_loads_nothing_and_ends_it(tmp_path: Path) -> None:
    async def scenario(service: Service) -> None:
        await service.direct((2, FakeModel(2.0), Role.CANARY, 50))
        service.ledger.shared.clear()
        service.ledger.deploy(2, service.ledger.artifacts["runs:/2/model"], sequence=2)
        state = await service.follow()
        assert (state["version"], state["traffic"], state["versions"]) == (2, None, [])
        assert await service.many(20) == {2: 20}
        assert service.ledger.loads == ["runs:/1/model", "runs:/2/model"]
        assert ROLE not in service.logged()[-1]

    serve(tmp_path, scenario)


def test_one_that_is_taken_out_answers_nothing_more(tmp_path: Path) -> None:
    async def scenario(service: Service) -> None:
        await service.direct((2, FakeModel(2.0), Role.CANARY, 50))
        service.ledger.shared.clear()
        assert (await service.follow())["traffic"] is None
        assert await service.many(50) == {1: 50}

    serve(tmp_path, scenario)


def test_a_canary_that_cannot_be_loaded_leaves_everything_to_the_champion_and_is_told(
    tmp_path: Path,
) -> None:
    async def scenario(service: Service) -> None:
        state = await service.direct((2, ValueError("no such file"), Role.CANARY, 50))
        assert (state["traffic"], state["version"]) == (None, 1)
        assert "the champion answers everything: no such file" in state["error"]
        assert await service.many(50) == {1: 50}
        service.ledger.artifacts["runs:/2/model"] = FakeModel(2.0)
        assert (await service.follow())["traffic"] == 1, "asked for again it is tried again"

    serve(tmp_path, scenario)


async def instead_of(service: Service, bad: FakeModel, **fields: Any) -> dict[str, Any]:
    """All requests belong to a canary that is bad; the champion answers, and says for whom."""
    await service.direct((2, bad, Role.CANARY, 100))
    if isinstance(bad, Broken):
        bad.armed = True
    body = (await service.ask("one", **fields)).json()
    assert (body["version"], body["fallback_for"]) == (1, 2), body
    row = service.logged()[-1]
    assert (row[MODEL_VERSION], row[ROLE], row[REQUEST_ID]) == (1, "fallback", "one")
    return await service.version(2)


class Broken(FakeModel):
    """Answers the rows it is warmed with, and no more once it is armed."""

    def __init__(self, error: Exception | None = None, value: float | None = None, wait: float = 0):
        super().__init__(2.0)
        self._does, self.met, self.armed = (error, value, wait), 0, False

    def answer(self, values: Any) -> Any:
        error, value, wait = self._does
        found = super().answer(values)
        if self.armed:
            self.met += 1
            if error is not None:
                raise error
            time.sleep(wait)
            return found if value is None else found * value
        return found


def test_one_that_crashes_fails_nobody_and_is_spared_then(tmp_path: Path) -> None:
    async def scenario(service: Service) -> None:
        bad = Broken(RuntimeError("a secret"))
        found = await instead_of(service, bad)
        assert (found["failed"], found["fallbacks"], found["answered"]) == (1, 1, 0)
        for number in range(9):
            assert (await service.ask(f"{number}")).json()["fallback_for"] == 2
        found = await service.version(2)
        assert (bad.met, found["failed"], found["spared"]) == (breaker.FAILURES, 5, 5)
        assert (found["open"], found["fallbacks"], found["asked"]) == (True, 10, 10)

    serve(tmp_path, scenario)


def test_one_without_a_finite_answer_is_counted_apart(tmp_path: Path) -> None:
    async def scenario(service: Service) -> None:
        found = await instead_of(service, Broken(value=float("nan")))
        assert (found["not_finite"], found["failed"], found["fallbacks"]) == (1, 0, 1)

    serve(tmp_path, scenario)


def test_one_that_is_late_is_not_waited_for_and_its_answer_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "PATIENCE_SECONDS", 0.1)

    async def scenario(service: Service) -> None:
        began = time.monotonic()
        found = await instead_of(service, Broken(wait=0.5))
        assert time.monotonic() - began < 0.5
        assert (found["late"], found["failed"], found["fallbacks"]) == (1, 0, 1)
        await asyncio.sleep(0.6)
        assert [row[MODEL_VERSION] for row in service.logged()] == [1], "nobody was told the other"

    serve(tmp_path, scenario)


def test_rows_that_neither_version_takes_are_the_callers_to_mend(tmp_path: Path) -> None:
    async def scenario(service: Service) -> None:
        await service.direct((2, FakeModel(2.0), Role.CANARY, 100))
        for fields, says in (({"class": "unseen"}, "refuses this row"), ({"x": "no"}, "rows.0.x")):
            answer = await service.ask(**fields)
            assert (answer.status_code, says in answer.text) == (422, True), answer.text
        found = await service.version(2)
        assert (found["failed"], found["fallbacks"], found["open"]) == (0, 0, False)

    serve(tmp_path, scenario)


def test_rows_that_do_not_fit_the_others_schema_are_answered_by_the_champion(
    tmp_path: Path,
) -> None:
    async def scenario(service: Service) -> None:
        narrow = FakeModel(2.0, model_spec().model_copy(update={"inputs": ("day", "x", "class")}))
        found = await instead_of(service, narrow)
        assert (found["fallbacks"], found["failed"]) == (1, 0)

    serve(tmp_path, scenario)


def by_key(service: Service) -> Awaitable[dict[str, Any]]:
    return service.direct((2, FakeModel(2.0), Role.CHALLENGER, 50), key="key", salt="s")


def test_an_ab_test_keeps_each_key_at_its_version(tmp_path: Path) -> None:
    async def scenario(service: Service) -> None:
        await by_key(service)
        met = {}
        for number in range(60):
            key = f"k{number % 20}"
            body = (await service.ask(f"r{number}", key=key)).json()
            assert body["predictions"] == [float(body["version"])]
            assert met.setdefault(key, body["version"]) == body["version"]
        assert 3 <= sum(version == 2 for version in met.values()) <= 17
        assert {row[ROLE] for row in service.logged()} == {"champion", "challenger"}
        both = [next(key for key, version in met.items() if version == n) for n in (1, 2)]
        mixed = await service.ask("mixed", *({**GOOD_ROW, "x": 1.0, "key": key} for key in both))
        assert (mixed.status_code, mixed.json()["version"]) == (200, 1)
        assert [row[ROLE] for row in service.logged()[-2:]] == ["outside", "outside"]

    serve(tmp_path, scenario)


def test_a_request_without_the_key_is_refused(tmp_path: Path) -> None:
    async def scenario(service: Service) -> None:
        await service.direct((2, FakeModel(2.0), Role.CHALLENGER, 50), key="x", salt="s")
        answer = await service.ask("a", {**GOOD_ROW}, {**GOOD_ROW, "x": None})
        assert answer.status_code == 422
        assert answer.json()["details"] == [
            {
                "loc": ["rows", 1, "x"],
                "msg": "an A/B test shares requests out by this field, so it must not be null",
                "type": "null_key",
            }
        ]

    serve(tmp_path, scenario)


def test_a_key_that_requests_do_not_have_shares_nothing_out(tmp_path: Path) -> None:
    async def scenario(service: Service) -> None:
        state = await service.direct((2, FakeModel(2.0), Role.CHALLENGER, 50), key="late")
        assert (state["traffic"], "have no such field" in state["error"]) == (None, True)
        assert await service.many(20) == {1: 20}

    serve(tmp_path, scenario)


def test_a_shadow_is_asked_beside_and_never_answered_from(tmp_path: Path) -> None:
    async def scenario(service: Service) -> None:
        await service.direct((2, FakeModel(2.0), Role.SHADOW, 100))
        for number in range(80):
            body = (await service.ask(f"r{number}", x=float(number))).json()
            assert (body["version"], body["predictions"]) == (1, [float(number)])
            if number % 10 == 9:
                await service.until(2, answered=number - 9)
        found = await service.until(2, answered=70, compared=30)
        # x against 2x of 0 to 79: apart by more than a standard deviation where x is above some 23.
        assert 0 < found["differing"] <= found["compared"]
        assert all(row[MODEL_VERSION] == 1 for row in service.logged())

    serve(tmp_path, scenario)


def test_a_shadow_that_hangs_or_crashes_slows_and_fails_nobody(tmp_path: Path) -> None:
    release = threading.Event()

    async def scenario(service: Service) -> None:
        hanging = FakeModel(2.0)
        await service.direct((2, hanging, Role.SHADOW, 100))
        hanging.before = lambda: [release.wait(20)].clear()
        began = time.monotonic()
        assert await service.many(200) == {1: 200}
        took = time.monotonic() - began
        assert (await service.version(2))["shed"] >= 200 - 65
        crashing = Broken(RuntimeError())
        await service.direct((3, crashing, Role.SHADOW, 100))
        crashing.armed = True
        assert await service.many(5) == {1: 5}
        assert (await service.until(3, failed=1))["answered"] == 0
        assert took < 15, "it was waited for"
        release.set()

    serve(tmp_path, scenario)


def test_a_canarys_answers_are_held_against_the_champions(tmp_path: Path) -> None:
    async def scenario(service: Service) -> None:
        await service.direct((2, FakeModel(60.0), Role.CANARY, 100))
        for number in range(60):
            assert (await service.ask(f"r{number}", x=number + 1.0)).json()["version"] == 2
            await asyncio.sleep(0.01)
        found = await service.until(2, compared=1)
        assert found["differing"] == found["compared"], "another unit is seen at once"

    serve(tmp_path, scenario)


def test_where_the_champion_cannot_answer_the_one_before_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standby, "PATIENCE_SECONDS", 0.1)

    async def scenario(service: Service) -> None:
        for number, bad in ((2, Broken(RuntimeError())), (3, Broken(wait=0.5))):
            good, worse = 10 * number, 10 * number + 1
            service.ledger.deploy(good, FakeModel(float(good)))
            await service.follow()
            service.ledger.deploy(worse, bad)
            assert (await service.follow())["version"] == worse
            bad.armed = True
            body = (await service.ask("one")).json()
            assert (body["version"], body["fallback_for"]) == (good, worse)
            assert body["predictions"] == [float(good)]
            if number == 2:
                assert (await service.ask("two", **{"class": "unseen"})).status_code == 422
        (slot,) = (await service.http.get("/slots")).json()["slots"]
        assert slot["fallbacks"] == 2
        assert [row[ROLE] for row in service.logged()] == ["fallback", "fallback"]

    serve(tmp_path, scenario)


def test_a_model_that_rests_brings_its_traffic_back(tmp_path: Path) -> None:
    async def scenario(service: Service) -> None:
        endpoint = service.slots.get("doubler")
        assert endpoint is not None
        endpoint.on_demand = True
        await service.direct((2, FakeModel(2.0), Role.CANARY, 100))
        endpoint.rest()
        assert (endpoint.held, endpoint.directions.sharing) == ((), None)
        assert (await service.ask("one")).json()["version"] in {1, 2}
        assert (await service.ask("two")).json()["version"] == 2

    serve(tmp_path, scenario)


def test_a_breaker_opens_after_failures_in_a_row_and_tries_ever_less_often() -> None:
    now = [0.0]
    one = breaker.Breaker(lambda: now[0])
    for _ in range(breaker.FAILURES - 1):
        one.failed()
    one.passed()
    for _ in range(breaker.FAILURES):
        assert one.allows()
        one.failed()
    assert not one.allows()
    now[0] = 1.0
    assert [one.allows(), one.allows()] == [True, False], "one tries, the others wait"
    one.failed()
    now[0] = 2.5
    assert not one.allows(), "two seconds now"
    now[0] = 3.0
    assert one.allows()
    one.passed()
    assert [one.allows(), one.open] == [True, False]
