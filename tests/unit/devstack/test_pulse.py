"""Waiting for a run: a dead part is told at once, a silent scheduler after minutes, a slow one never."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from airloop.devstack import pulse as module
from airloop.devstack.airflow import Airflow
from airloop.devstack.layout import Layout
from airloop.devstack.processes import ProcessRecord, start
from airloop.devstack.pulse import Pulse
from airloop.errors import UnreachableError


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path)
    made.create()
    return made


@pytest.fixture
def scheduler(layout: Layout) -> Iterator[ProcessRecord]:
    """A process on record as the scheduler."""
    record = start(
        "airflow-scheduler", (sys.executable, "-c", "import time; time.sleep(60)"),
        env=os.environ, cwd=layout.home, log=layout.logs / "airflow-scheduler.log", folder=layout.run,
    )  # fmt: skip
    yield record
    kill(record)


def kill(record: ProcessRecord) -> None:
    subprocess.run(["kill", "-9", str(record.pid)], check=False, capture_output=True)
    deadline = time.monotonic() + 10
    while record.alive and time.monotonic() < deadline:
        time.sleep(0.01)


def airflow(health: Callable[[], dict[str, Any]]) -> Airflow:
    """An Airflow whose only run is queued for ever."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/monitor/health"):
            return httpx.Response(200, json=health())
        return httpx.Response(200, json={"state": "queued"})

    made = Airflow("http://airflow.test", "secret")
    made._http = httpx.Client(base_url="http://airflow.test", transport=httpx.MockTransport(answer))
    return made


def beats(number: float) -> dict[str, Any]:
    return {
        "scheduler": {"status": "healthy", "latest_scheduler_heartbeat": f"beat {number}"},
        "triggerer": {"status": None, "latest_triggerer_heartbeat": None},
    }


def test_waiting_goes_on_while_all_is_well(
    layout: Layout, scheduler: ProcessRecord, clock: Clock
) -> None:
    pulse = Pulse(airflow(lambda: beats(clock.now)), layout)
    for _ in range(100):
        clock.now += 60
        pulse.check()


def test_a_process_that_ended_is_told_at_once_with_its_log(
    layout: Layout, scheduler: ProcessRecord
) -> None:
    kill(scheduler)
    waiting = airflow(lambda: beats(0))
    with pytest.raises(UnreachableError, match="airflow-scheduler is dead") as told:
        waiting.wait("train_m", "r", patience=2400, pulse=Pulse(waiting, layout))
    assert str(layout.logs / "airflow-scheduler.log") in str(told.value)
    assert "`airloop up`" in str(told.value)


def test_a_late_heartbeat_is_a_slow_machine_and_one_that_stays_away_for_minutes_is_not(
    layout: Layout, clock: Clock
) -> None:
    slow = Pulse(airflow(lambda: beats(clock.now // 150)), layout)
    hung = Pulse(airflow(lambda: beats(0)), layout)
    hung.check()
    for _ in range(20):
        clock.now += 9
        slow.check()
        hung.check()
    for _ in range(100):
        clock.now += 9
        slow.check()
    with pytest.raises(UnreachableError, match=r"airflow-scheduler is dead \(no heartbeat for"):
        hung.check()


def test_an_airflow_that_was_started_elsewhere_is_judged_by_its_heartbeats_alone(
    tmp_path: Path, clock: Clock
) -> None:
    pulse = Pulse(airflow(dict), Layout(tmp_path / "nothing"))
    for _ in range(100):
        clock.now += 60
        pulse.check()
