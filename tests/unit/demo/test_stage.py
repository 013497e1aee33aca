"""The stage of the demo: what it waits for, and what it does not wait for."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from airloop.demo.stage import DemoStage, dag_id
from airloop.devstack.airflow import Airflow
from airloop.devstack.layout import Layout
from airloop.devstack.processes import start
from airloop.devstack.pulse import Pulse
from airloop.ejection import KINDS
from airloop.errors import UnreachableError
from airloop.ledger import open_ledger
from airloop.serving.client import ServiceClient
from airloop.settings import load_settings

Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Layout]:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    load_settings.cache_clear()
    made = Layout(tmp_path)
    made.create()
    yield made
    load_settings.cache_clear()


def stage_of(answer: Answer, layout: Layout) -> DemoStage:
    """A stage whose Airflow answers so."""
    airflow = Airflow("http://airflow.test", "secret")
    airflow._http = httpx.Client(
        base_url="http://airflow.test", transport=httpx.MockTransport(answer)
    )
    settings = load_settings()
    return DemoStage(
        settings=settings,
        airflow=airflow,
        service=ServiceClient(settings),
        ledger=open_ledger(settings),
        pulse=Pulse(airflow, layout),
        upstream=layout.home,
        say=lambda _: None,
    )


def test_it_waits_for_dags_that_a_slow_machine_has_not_read_yet(layout: Layout) -> None:
    read: list[dict[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/monitor/health"):
            return httpx.Response(200, json={})
        found = httpx.Response(200, json={"dags": list(read), "total_entries": len(read)})
        read.extend({"dag_id": dag_id(kind)} for kind in KINDS[len(read) :][:3])
        return found

    stage_of(answer, layout).ready()
    assert len(read) == len(KINDS)


def test_it_does_not_wait_on_for_a_scheduler_that_is_dead(layout: Layout) -> None:
    queued = httpx.Response(200, json={"state": "queued"})
    record = start(
        "airflow-scheduler", (sys.executable, "-c", "pass"),
        env=os.environ, cwd=layout.home, log=layout.logs / "airflow-scheduler.log", folder=layout.run,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while record.alive and time.monotonic() < deadline:
        subprocess.run(["sleep", "0.1"], check=True)
    began = time.monotonic()
    with pytest.raises(UnreachableError, match="airflow-scheduler is dead"):
        stage_of(lambda _: queued, layout).finish("train_flight_delay", "r")
    assert time.monotonic() - began < 60
