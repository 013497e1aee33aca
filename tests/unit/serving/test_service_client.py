from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from airloop.errors import RequestError, UnreachableError
from airloop.serving.client import ServiceClient
from airloop.serving.command import service_command
from airloop.settings import Settings
from airloop.specs.sections.servers import ServingSettings

TOKEN = "client-token"
Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Handler], ServiceClient]]:
    opened: list[ServiceClient] = []
    original = httpx.Client

    def make(handler: Handler) -> ServiceClient:
        transport = httpx.MockTransport(handler)
        monkeypatch.setattr(
            httpx, "Client", lambda **options: original(transport=transport, **options)
        )
        serving = ServingSettings(url="http://127.0.0.1:1", token=SecretStr(TOKEN))
        opened.append(ServiceClient(Settings(serving=serving)))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


def answer(status: int, body: object, **headers: str) -> Handler:
    return lambda _: httpx.Response(status, json=body, headers=headers)


PREDICTED = {"model": "m", "version": 3, "request_id": "r", "predictions": [0.5]}


def test_it_sends_token_request_id_and_plain_json(connect: Callable[[Handler], ServiceClient]):
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=PREDICTED)

    found = connect(handler).predict("m", [{"day": date(2013, 3, 1), "x": None}], request_id="mine")
    assert (found.version, found.predictions, found.logged) == (3, (0.5,), True)
    assert seen[0].url.path == "/models/m/predict"
    assert seen[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert seen[0].headers["x-request-id"] == "mine"
    assert json.loads(seen[0].content) == {"rows": [{"day": "2013-03-01", "x": None}]}


def test_a_degraded_log_is_told(connect: Callable[[Handler], ServiceClient]):
    client = connect(answer(200, PREDICTED, **{"x-airloop-prediction-log": "degraded"}))
    assert client.predict("m", [{}]).logged is False


def test_a_service_that_is_not_there_is_named_with_the_remedy(
    connect: Callable[[Handler], ServiceClient],
):
    def handler(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    client = connect(handler)
    assert client.ready() is False
    with pytest.raises(UnreachableError, match=r"http://127\.0\.0\.1:1/slots.*airloop up"):
        client.endpoints()


@pytest.mark.parametrize(
    ("status", "error"),
    [(503, UnreachableError), (408, UnreachableError), (422, RequestError), (401, RequestError)],
)
def test_an_answer_that_is_no_prediction_becomes_the_fitting_error_without_the_token(
    connect: Callable[[Handler], ServiceClient], status: int, error: type[Exception]
):
    client = connect(answer(status, {"error": "because of this", "request_id": "r"}))
    with pytest.raises(error, match="because of this") as caught:
        client.predict("m", [{}])
    assert TOKEN not in str(caught.value)


def test_an_answer_that_is_not_the_services_is_a_clear_error(
    connect: Callable[[Handler], ServiceClient],
):
    with pytest.raises(RequestError, match="answered 404"):
        connect(lambda _: httpx.Response(404, text="<html>")).endpoints()


def test_a_model_the_service_does_not_know_is_named(connect: Callable[[Handler], ServiceClient]):
    client = connect(answer(200, {"slots": [{"model": "flight_delay"}]}))
    assert client.endpoint("flight_delay").version is None
    with pytest.raises(RequestError, match="did you mean 'flight_delay'"):
        client.refresh("flight_dely")


def test_the_service_is_bound_to_loopback_with_telemetry_off_and_state_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    argv, env = service_command(Settings(serving=ServingSettings(url="http://127.0.0.1:3111")))
    assert argv[argv.index("--host") + 1] == "127.0.0.1"
    assert argv[argv.index("--port") + 1] == "3111"
    assert env["BENTOML_DO_NOT_TRACK"].lower() == "true"
    assert Path(env["BENTOML_HOME"]).is_relative_to(tmp_path)
    assert not [part for part in argv if TOKEN in part], "no secret on a command line"
