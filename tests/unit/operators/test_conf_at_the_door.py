"""A `conf` with a typo is refused where the run is asked for, before a run exists."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from airloop.projects.stubs import PROJECT_DAGS, executor_dags
from airloop.specs.chores import CHORES
from airloop_operators.plugin import AirloopPlugin
from airloop_operators.ui.conf import ConfMiddleware


def ask(
    dag: str, body: Any, headers: dict[str, str] | None = None, path: str = ""
) -> httpx.Response:
    """POST a run to an API server that takes whatever comes, as Airflow's does."""

    async def begin(request: Request) -> JSONResponse:
        return JSONResponse({"begun": await request.json()})

    routes = [
        Route("/api/v2/dags/{dag}/dagRuns", begin, methods=["POST"]),
        Route("/api/v2/backfills", begin, methods=["POST"]),
    ]
    app = ConfMiddleware(Starlette(routes=routes))  # type: ignore[arg-type]

    async def scenario() -> httpx.Response:
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://airflow") as http:
            given = {"authorization": "Bearer x"} if headers is None else headers
            url = path or f"/api/v2/dags/{dag}/dagRuns"
            if isinstance(body, bytes):
                return await http.post(url, content=body, headers=given)
            return await http.post(url, json=body, headers=given)

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("dag", "conf", "says"),
    [
        ("train_flight_delay", {"untill": "2013-01-01"}, "did you mean 'until'"),
        ("ingest_flights", {"partition": "2013-02-30"}, "no such day"),
        ("deploy_flight_delay", {"version": "three"}, "version"),
        ("ingest_flights", ["partition"], "mapping"),
        ("ingest_flights", {"start": "2013-12-30", "end": "2014-01-02"}, "ended on 2013-12-31"),
        ("monitor_flight_delay", {"partition": "2099-01-01"}, "ended on 2013-12-31"),
        ("airloop_replay", {"modell": "flight_delay"}, "did you mean 'model'"),
        ("airloop_wake", {"grace_minutes": -1}, "grace_minutes"),
        ("airloop_audit", {"at": "once"}, "at"),
        ("airloop_examine", {"lake": "all"}, "lake"),
    ],
)
def test_a_conf_that_a_task_would_refuse_begins_no_run(dag: str, conf: Any, says: str) -> None:
    response = ask(dag, {"logical_date": None, "conf": conf})
    assert response.status_code == 422
    assert says in response.json()["detail"]


@pytest.mark.parametrize(
    ("dag", "body"),
    [
        ("train_flight_delay", {"logical_date": None, "conf": {"until": "2013-01-31"}}),
        ("train_flight_delay", {"logical_date": None}),
        ("airloop_replay", {"logical_date": None, "conf": {"model": "flight_delay"}}),
        ("airloop_wake", {"logical_date": None, "conf": {"grace_minutes": 0}}),
        ("somebody_elses", {"conf": {"untill": 1}}),
        ("airloop_somebody_elses", {"conf": {"untill": 1}}),
        ("train_somebody_elses", {"conf": {"untill": 1}}),
    ],
)
def test_every_other_run_is_passed_on_as_it_came(dag: str, body: dict[str, Any]) -> None:
    assert ask(dag, body).json() == {"begun": body}


def test_a_backfills_conf_is_checked_too() -> None:
    body = {"dag_id": "ingest_flights", "dag_run_conf": {"partiton": "2013-01-01"}}
    refused = ask("", body, path="/api/v2/backfills")
    assert (refused.status_code, "did you mean 'partition'" in refused.text) == (422, True)
    for right in ({"dag_id": "ingest_flights"}, body | {"dag_id": "somebody_elses"}, ["no object"]):
        assert ask("", right, path="/api/v2/backfills").status_code == 200


@pytest.mark.parametrize("key", ["logical_date", "run_after", "data_interval_end"])
def test_a_run_of_the_future_is_refused_at_once(key: str) -> None:
    refused = ask("monitor_flight_delay", {key: "2099-01-01T00:00:00Z"})
    assert refused.status_code == 422
    assert f"{key} lies in the future" in refused.json()["detail"]
    for right in ("2013-03-09T09:00:00Z", None, datetime.now(UTC).isoformat(), "no date"):
        assert ask("monitor_flight_delay", {key: right}).status_code == 200


def test_a_backfill_of_the_future_is_refused() -> None:
    body = {"dag_id": "ingest_flights", "from_date": "2013-01-01", "to_date": "2099-01-01"}
    assert ask("", body, path="/api/v2/backfills").status_code == 422


def test_a_request_that_nests_without_end_is_refused_and_breaks_nothing() -> None:
    headers = {"authorization": "Bearer x", "content-type": "application/json"}
    refused = ask("train_flight_delay", b'{"conf": ' + b"[" * 200_000, headers=headers)
    assert (refused.status_code, "nests too deep" in refused.text) == (422, True)


def test_every_dag_of_the_project_has_a_conf() -> None:
    assert {*PROJECT_DAGS, *executor_dags("kubernetes")} == CHORES.keys()


@pytest.mark.parametrize("dag", ["train_flight_delay", "airloop_wake", "somebody_elses"])
def test_twenty_megabytes_are_refused_where_they_are_ours_to_judge(dag: str) -> None:
    answer = ask(dag, {"conf": {"notes": "x" * 20_000_000}})
    assert answer.status_code == (200 if dag == "somebody_elses" else 413)


def test_who_shows_nothing_is_airflows_to_turn_away() -> None:
    assert ask("train_flight_delay", {"conf": {"untill": 1}}, headers={}).status_code == 200


def test_airflows_api_server_is_given_the_check() -> None:
    (given,) = AirloopPlugin().fastapi_root_middlewares
    assert given["middleware"] is ConfMiddleware
