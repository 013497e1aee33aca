"""Airflow's REST client: what is repeated, what is not, and how refusals read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from airloop.devstack import airflow_session as module
from airloop.devstack.airflow import Airflow, wait_for
from airloop.errors import PermanentError, RequestError, UnreachableError

Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSES", (0.0, 0.0, 0.0))


def client(answer: Answer) -> Airflow:
    made = Airflow("http://airflow.test", "secret")
    made._http = httpx.Client(base_url="http://airflow.test", transport=httpx.MockTransport(answer))
    return made


def scripted(*codes: int, body: Any = None) -> tuple[Airflow, list[httpx.Request]]:
    """An Airflow that answers with these codes, one after the other."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(codes[min(len(seen), len(codes)) - 1], json=body or {})

    return client(answer), seen


def test_a_request_is_the_same_whatever_the_form_left_empty() -> None:
    runs = [
        {"dag_run_id": "woken", "run_type": "asset_triggered", "conf": {}},
        {"dag_run_id": "other", "run_type": "manual", "conf": {"until": "2013-01-07"}},
        {"dag_run_id": "form", "run_type": "manual", "conf": {"until": None, "reason": None}},
        {"dag_run_id": "later", "run_type": "manual", "conf": None},
    ]
    airflow, seen = scripted(200, body={"dag_runs": runs})
    assert airflow.same_request("train_m", {}) == "form"
    assert airflow.same_request("train_m", {"until": "2013-01-07"}) == "other"
    assert airflow.same_request("train_m", {"until": "2013-01-08"}) is None
    asked = seen[0].url.params
    assert asked.get_list("state") == ["queued", "running"]
    assert asked["order_by"] == "run_after"


def test_it_signs_in_once_when_asked_to() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.path)
        if request.url.path == "/auth/token":
            return httpx.Response(201, json={"access_token": "t"})
        known = request.headers.get("authorization") == "Bearer t"
        return httpx.Response(200 if known else 401, json={"dags": [], "total_entries": 0})

    airflow = client(answer)
    assert airflow.dag_ids() == ()
    assert airflow.dag_ids() == ()
    assert seen == ["/api/v2/dags", "/auth/token", "/api/v2/dags", "/api/v2/dags"]


def test_a_wrong_password_names_the_remedy() -> None:
    airflow = client(lambda _: httpx.Response(401, json={"detail": "Invalid credentials"}))
    with pytest.raises(PermanentError, match=r"Invalid credentials.*airloop up"):
        airflow.dag_ids()


def test_a_failing_airflow_is_asked_again() -> None:
    airflow, seen = scripted(500, 503, 200, body={"dags": [{"dag_id": "a"}], "total_entries": 1})
    assert airflow.dag_ids() == ("a",)
    assert len(seen) == 3


def test_an_airflow_that_keeps_failing_is_our_error_not_the_users() -> None:
    airflow, _ = scripted(500, body={"detail": "database is locked"})
    with pytest.raises(UnreachableError, match="database is locked"):
        airflow.dag_ids()


def test_a_refusal_is_not_repeated_and_says_why() -> None:
    detail = [{"loc": ["body", "conf"], "msg": "Extra inputs are not permitted"}]
    airflow, seen = scripted(422, body={"detail": detail})
    with pytest.raises(RequestError, match=r"body\.conf: Extra inputs"):
        airflow.unpause("ingest_flights")
    assert len(seen) == 1


def test_a_call_that_acts_is_not_repeated() -> None:
    airflow, seen = scripted(500, 200)
    with pytest.raises(UnreachableError):
        airflow.call("POST", "/backfills", json={})
    assert len(seen) == 1


def test_a_trigger_whose_answer_was_lost_starts_one_run() -> None:
    airflow, seen = scripted(500, 409)
    run = airflow.trigger("ingest_flights", {"partition": "2013-01-01"})
    asked = {request.read() for request in seen}
    assert len(seen) == 2
    assert len(asked) == 1
    assert run in asked.pop().decode()


def test_an_airflow_that_is_away_is_named() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    with pytest.raises(UnreachableError, match=r"airflow\.test.*airloop up"):
        client(refuse).dag_ids()


def test_the_error_that_ended_a_run_is_its_last() -> None:
    log = [
        {"event": "first", "error_detail": [{"exc_value": "an earlier one"}]},
        {"event": "last", "error_detail": [{"exc_value": "column distance missing"}]},
        {"event": "bye"},
    ]

    def answer(request: httpx.Request) -> httpx.Response:
        if "logs" in request.url.path:
            return httpx.Response(200, json={"content": log})
        task = {"task_id": "ingest", "state": "failed", "try_number": 1}
        return httpx.Response(200, json={"task_instances": [task], "total_entries": 1})

    shown = client(answer).failure("ingest_flights", "run")
    assert shown == "ingest: column distance missing"


def test_waiting_ends() -> None:
    with pytest.raises(UnreachableError, match="the moon did not rise within 0 s"):
        wait_for(lambda: None, "the moon did not rise", patience=0, every=0)
