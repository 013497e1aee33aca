from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from airloop.serving.http import middleware
from airloop.serving.http.tokens import Tokens
from airloop.serving.log.frames import read_segment
from airloop.serving.log.predictionlog import log_folder, seal_segments
from airloop.serving.runtime.endpoints import Endpoints
from tests.support.serving_fakes import GOOD_ROW, FakeLedger, FakeModel, client, model_spec

Scenario = Callable[[httpx.AsyncClient, Endpoints], Awaitable[Any]]


def run(home: Path, ledger: FakeLedger, scenario: Scenario, **options: Any) -> Any:
    async def main() -> Any:
        slots = ledger.slots(home)
        await slots.refresh()
        async with client(slots, **options) as http:
            result = await scenario(http, slots)
        await slots.close()
        return result

    return asyncio.run(main())


def deployed(model: FakeModel | None = None) -> FakeLedger:
    ledger = FakeLedger()
    ledger.deploy(1, model or FakeModel())
    return ledger


async def ask(http: httpx.AsyncClient, *rows: dict[str, Any], **options: Any) -> httpx.Response:
    return await http.post("/predict", json={"rows": list(rows) or [GOOD_ROW]}, **options)


def test_an_answer_carries_model_version_request_id_and_one_prediction_a_row(tmp_path: Path):
    async def scenario(http: httpx.AsyncClient, _: Endpoints) -> None:
        response = await ask(http, GOOD_ROW, {**GOOD_ROW, "x": None})
        assert response.status_code == 200
        body = response.json()
        assert (body["model"], body["version"]) == ("doubler", 1)
        assert body["predictions"] == [4.0, 0.0]
        assert body["request_id"] == response.headers["x-request-id"]

    run(tmp_path, deployed(), scenario)


@pytest.mark.parametrize(
    ("given", "kept"),
    [("trace-42.a_b", True), ("x" * 64, True), ("x" * 65, False), ("a b", False), ("é", False)],
)
def test_a_callers_request_id_is_kept_where_it_is_safe(tmp_path: Path, given: str, kept: bool):
    async def scenario(http: httpx.AsyncClient, _: Endpoints) -> None:
        response = await ask(http, headers={"x-request-id": given.encode()})
        assert (response.json()["request_id"] == given) is kept

    run(tmp_path, deployed(), scenario)


@pytest.mark.parametrize("header", ["X-Airloop-Version", "x-model-version"])
def test_a_header_that_names_a_version_is_refused_and_nothing_is_answered(
    tmp_path: Path, header: str
):
    async def scenario(http: httpx.AsyncClient, slots: Endpoints) -> None:
        response = await ask(http, headers={header: "2"})
        assert response.status_code == 422
        told = "names a version, and the ledger says which one answers: leave it out"
        assert response.json()["error"] == f"the header {header.lower()} {told}"
        (state,) = slots.states()
        assert (state.requests, state.rows) == (0, 0)
        assert (await ask(http)).json()["version"] == 1

    run(tmp_path, deployed(), scenario)


def test_nothing_deployed_is_said_with_a_reason_until_the_first_champion_arrives(tmp_path: Path):
    ledger = FakeLedger()

    async def scenario(http: httpx.AsyncClient, _: Endpoints) -> None:
        assert (await http.get("/healthz")).status_code == 200
        ready = await http.get("/readyz")
        assert ready.status_code == 503
        assert "doubler: nothing is deployed yet" in ready.json()["reason"]
        answer = await ask(http)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        ledger.deploy(1, FakeModel())
        slots = (await http.post("/slots/refresh")).json()["slots"]
        assert slots[0]["version"] == 1
        assert (await http.get("/readyz")).status_code == 200
        assert (await ask(http)).status_code == 200

    run(tmp_path, ledger, scenario)


GUARDED = [("POST", "/predict"), ("POST", "/models/doubler/predict"), ("GET", "/slots"),
           ("POST", "/slots/refresh"), ("GET", "/metrics"), ("GET", "/"), ("GET", "/docs.json"),
           ("GET", "/schema.json"), ("GET", "/livez"), ("GET", "/healthz/"), ("GET", "//healthz"),
           ("GET", "/no-such-page")]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), GUARDED)
@pytest.mark.parametrize("header", [None, "", "Bearer ", "Bearer wrong", "bearer x", "Basic YTpi"])
def test_without_the_token_nobody_passes(
    tmp_path: Path, method: str, path: str, header: str | None
):
    async def scenario(http: httpx.AsyncClient, _: Endpoints) -> None:
        http.headers.pop("authorization")
        headers = {} if header is None else {"authorization": header}
        response = await http.request(method, path, headers=headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"

    run(tmp_path, deployed(), scenario)


def test_without_any_token_configured_nobody_passes(tmp_path: Path):
    async def main() -> int:
        slots = deployed().slots(tmp_path)
        guard = middleware.Middleware(lambda *_: None, Tokens())  # type: ignore[arg-type,return-value]
        transport = httpx.ASGITransport(guard)
        async with httpx.AsyncClient(transport=transport, base_url="http://s") as http:
            response = await http.get("/slots", headers={"authorization": "Bearer "})
        await slots.close()
        return response.status_code

    assert asyncio.run(main()) == 401


def test_probes_and_docs_are_open_and_the_docs_need_no_network(tmp_path: Path):
    async def scenario(http: httpx.AsyncClient, _: Endpoints) -> None:
        http.headers.pop("authorization")
        for path in ("/healthz", "/readyz", "/docs", "/openapi.json"):
            assert (await http.get(path)).status_code == 200, path
        page = (await http.get("/docs")).text
        assert "https://" not in page
        document = (await http.get("/openapi.json")).json()
        operation = document["paths"]["/models/doubler/predict"]["post"]
        content = operation["requestBody"]["content"]["application/json"]
        answer = await http.post(
            "/predict", json=content["example"], headers={"authorization": "Bearer x"}
        )
        assert answer.status_code == 401
        assert set(document["components"]["schemas"]["doubler_row"]["properties"]) == set(GOOD_ROW)

    run(tmp_path, deployed(), scenario)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/predict", "/models/doubler/predict"])
def test_a_wrong_method_is_405_and_names_the_right_one(tmp_path: Path, method: str, path: str):
    async def scenario(http: httpx.AsyncClient, _: Endpoints) -> None:
        response = await http.request(method, path)
        assert response.status_code == 405
        assert response.headers["allow"] == "POST"
        assert response.json()["request_id"]

    run(tmp_path, deployed(), scenario)


def test_every_answer_has_the_status_and_the_schema_that_the_document_names(tmp_path: Path):
    async def scenario(http: httpx.AsyncClient, _: Endpoints) -> None:
        document = (await http.get("/openapi.json")).json()
        bad = {"rows": [{**GOOD_ROW, "x": "text"}]}
        asked = [
            await ask(http),
            await http.post("/models/doubler/predict", json=bad),
            await http.post("/models/doubler/predict", content="x" * 2_000_000),
            await http.post("/models/doubler/predict", content="", headers={"content-type": "a/b"}),
            await http.post("/models/doubler/predict", headers={"authorization": "no"}),
            await http.get("/models/doubler/predict"),
        ]
        answers = document["paths"]["/models/doubler/predict"]["post"]["responses"]
        assert [one.status_code for one in asked] == [200, 422, 413, 415, 401, 405]
        for response in asked:
            schema = answers[str(response.status_code)]["content"]["application/json"]["schema"]
            full = {**schema, "components": document["components"]}
            jsonschema.validate(response.json(), full)
        assert document["paths"]["/healthz"]["get"]["security"] == []
        assert document["paths"]["/readyz"]["get"]["security"] == []
        ready = document["paths"]["/readyz"]["get"]["responses"]["200"]["content"]
        jsonschema.validate(
            (await http.get("/readyz")).json(),
            {**ready["application/json"]["schema"], "components": document["components"]},
        )

    run(tmp_path, deployed(), scenario)


def test_the_documents_example_is_answered(tmp_path: Path):
    async def scenario(http: httpx.AsyncClient, _: Endpoints) -> None:
        document = (await http.get("/openapi.json")).json()
        content = document["paths"]["/models/doubler/predict"]["post"]["requestBody"]["content"]
        answer = await http.post("/predict", json=content["application/json"]["example"])
        assert answer.status_code == 200

    run(tmp_path, deployed(), scenario)


@pytest.mark.parametrize(
    "raw",
    [
        json.dumps({"rows": [GOOD_ROW]}).replace('"x": 2.0', '"x": NaN'),
        json.dumps({"rows": [GOOD_ROW]}).replace('"x": 2.0', '"x": 1e999'),
        json.dumps({"rows": [{**GOOD_ROW, "extra": 1}]}),
        json.dumps({"rows": [{"key": "k"}]}),
        json.dumps({"rows": [GOOD_ROW], "extra": 1}),
        "not json",
    ],
)
def test_a_body_that_does_not_fit_is_422_with_details(tmp_path: Path, raw: str):
    async def scenario(http: httpx.AsyncClient, _: Endpoints) -> None:
        response = await http.post(
            "/predict", content=raw, headers={"content-type": "application/json"}
        )
        assert response.status_code == 422
        assert response.json()["details"]
        assert response.json()["request_id"] == response.headers["x-request-id"]

    run(tmp_path, deployed(), scenario)


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/vnd.bentoml+pickle"},
        {"content-type": "Application/Vnd.BentoML+Pickle; charset=utf-8"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
def test_anything_but_plain_json_is_415(tmp_path: Path, headers: dict[str, str]):
    async def scenario(http: httpx.AsyncClient, _: Endpoints) -> None:
        response = await http.post("/predict", content=b"cos\nsystem\n", headers=headers)
        assert response.status_code == 415

    run(tmp_path, deployed(), scenario)


def test_a_body_announced_too_large_is_413_before_a_byte_of_it_is_read(tmp_path: Path):
    read: list[int] = []

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(20):
            read.append(1)
            yield b" " * 1_000_000

    async def scenario(http: httpx.AsyncClient, _: Endpoints) -> None:
        headers = {"content-length": "20000000", "content-type": "application/json"}
        response = await http.post("/predict", content=parts(), headers=headers)
        assert response.status_code == 413
        assert not read

    run(tmp_path, deployed(), scenario)


def test_a_chunked_body_is_413_as_soon_as_it_passes_the_limit(tmp_path: Path):
    read: list[int] = []

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(20):
            read.append(1)
            yield b" " * 600_000

    async def scenario(http: httpx.AsyncClient, _: Endpoints) -> None:
        response = await http.post("/predict", content=parts())
        assert response.status_code == 413
        assert len(read) <= 3

    run(tmp_path, deployed(), scenario)


def test_a_body_that_does_not_come_is_408(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(middleware, "BODY_SECONDS", 0.05)

    async def parts() -> AsyncIterator[bytes]:
        yield b'{"rows":'
        await asyncio.sleep(5)

    async def scenario(http: httpx.AsyncClient, slots: Endpoints) -> None:
        assert (await http.post("/predict", content=parts())).status_code == 408
        slot = slots.get("doubler")
        assert slot is not None
        assert slot.admission.inflight == 0

    run(tmp_path, deployed(), scenario)


def test_more_requests_at_once_than_allowed_are_turned_away_and_the_rest_answered(tmp_path: Path):
    model = FakeModel(spec=model_spec(max_concurrency=4))
    release = threading.Event()

    async def scenario(http: httpx.AsyncClient, _: Endpoints) -> None:
        model.before = lambda: release.wait(5)  # type: ignore[assignment,return-value]
        waiting = [asyncio.create_task(ask(http)) for _ in range(4)]
        await asyncio.sleep(0.1)
        refused = await ask(http)
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "1"
        release.set()
        assert {(await task).status_code for task in waiting} == {200}
        assert (await ask(http)).status_code == 200

    run(tmp_path, deployed(model), scenario)


def test_rows_the_model_fails_on_fail_alone_and_nothing_of_them_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    model = FakeModel()
    release = threading.Event()

    async def scenario(http: httpx.AsyncClient, _: Endpoints) -> list[httpx.Response]:
        model.before = lambda: release.wait(5)  # type: ignore[assignment,return-value]
        kinds = ("a", "poison", "nan", "a")
        tasks = [asyncio.create_task(ask(http, {**GOOD_ROW, "class": kind})) for kind in kinds]
        await asyncio.sleep(0.1)
        release.set()
        return [await task for task in tasks]

    with caplog.at_level(logging.DEBUG):
        responses = run(tmp_path, deployed(model), scenario)
    assert [response.status_code for response in responses] == [200, 500, 422, 200]
    shown = caplog.text + "".join(response.text for response in responses)
    assert "secret" not in shown
    assert "null" not in responses[2].text


@pytest.mark.parametrize("kind", ["unseen", "nan"])
def test_a_row_that_the_model_refuses_is_a_422_that_names_it_and_no_other(
    tmp_path: Path, kind: str
):
    model = FakeModel()
    release = threading.Event()

    async def scenario(http: httpx.AsyncClient, _: Endpoints) -> None:
        model.before = lambda: release.wait(5)  # type: ignore[assignment,return-value]
        rows = [GOOD_ROW] * 40 + [{**GOOD_ROW, "class": kind}] + [GOOD_ROW] * 9
        tasks = [asyncio.create_task(ask(http, *asked)) for asked in ([GOOD_ROW], rows, [GOOD_ROW])]
        await asyncio.sleep(0.1)
        release.set()
        before, mixed, after = [await task for task in tasks]
        assert (before.status_code, after.status_code) == (200, 200)
        assert mixed.status_code == 422
        assert [one["loc"] for one in mixed.json()["details"]] == [["rows", 40]]
        assert mixed.json()["error"].startswith("rows.40: ")
        assert len(model.calls) < 20, "the row is found by halving"
        alone = await ask(http, {**GOOD_ROW, "class": kind})
        assert alone.json()["details"][0]["loc"] == ["rows", 0]

    run(tmp_path, deployed(model), scenario)


def test_with_several_models_a_request_must_name_one(tmp_path: Path):
    ledger = deployed()
    ledger.names = ["doubler", "other"]

    async def scenario(http: httpx.AsyncClient, _: Endpoints) -> None:
        assert (await ask(http)).status_code == 404
        named = await http.post("/models/doubler/predict", json={"rows": [GOOD_ROW]})
        assert named.status_code == 200
        unknown = await http.post("/models/nope/predict", json={"rows": [GOOD_ROW]})
        assert unknown.status_code == 404
        assert "doubler" in unknown.json()["error"]

    run(tmp_path, ledger, scenario)


def test_every_answer_is_in_the_prediction_log_under_its_prediction_date(tmp_path: Path):
    async def scenario(http: httpx.AsyncClient, _: Endpoints) -> list[str]:
        rows = [{**GOOD_ROW, "key": f"k{number}"} for number in range(30)]
        answers = await asyncio.gather(*(ask(http, row) for row in rows))
        return [answer.json()["request_id"] for answer in answers]

    ids = run(tmp_path, deployed(), scenario)
    frames = [
        frame
        for path in seal_segments(log_folder(tmp_path, "doubler"))
        for frame in read_segment(path).frames
    ]
    logged = [request for frame in frames for request in json.loads(frame)]
    assert sorted(request["id"] for request in logged) == sorted(ids)
    assert {day for request in logged for day in request["dates"]} == {"2013-03-01"}
    assert len(frames) < 30, "requests that come together share a batch"


def test_a_full_disk_degrades_logging_not_serving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async def scenario(http: httpx.AsyncClient, _: Endpoints) -> None:
        monkeypatch.setattr("os.fdatasync", full)
        degraded = await ask(http, GOOD_ROW, GOOD_ROW)
        assert degraded.status_code == 200
        assert degraded.headers["x-airloop-prediction-log"] == "degraded"
        (slot,) = (await http.get("/slots")).json()["slots"]
        assert slot["log_failures"] == 2
        assert "No space left" in slot["log_error"]
        monkeypatch.undo()
        healthy = await ask(http)
        assert "x-airloop-prediction-log" not in healthy.headers
        assert (await http.get("/slots")).json()["slots"][0]["log_error"] is None

    run(tmp_path, deployed(), scenario)


def test_no_redirect_repeats_the_host_that_the_caller_claims(tmp_path: Path):
    async def scenario(http: httpx.AsyncClient, _: Endpoints) -> None:
        for path in ("/docs/", "/docs/assets", "/healthz/", "/slots/", "/openapi.json/"):
            answer = await http.get(path, headers={"host": "evil.example"})
            assert "evil" not in str(answer.headers) + answer.text, path
        moved = await http.get("/docs/")
        assert (moved.status_code, moved.headers["location"]) == (307, "../docs")

    run(tmp_path, deployed(), scenario)
