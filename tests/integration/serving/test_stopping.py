"""The real BentoML server told to stop, or shot: readiness first, answers last, nothing left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from airloop.devstack.machine import processes
from airloop.serving.command import service_command
from airloop.settings import Settings
from tests.support.checkout import ROOT
from tests.support.serving_fakes import GOOD_ROW, TOKEN

PATIENCE = 300
CALLERS = 8


class Service:
    """A running service: the supervisor's process, and its worker's id."""

    def __init__(self, home: Path, sabotage: str) -> None:
        self.home = home
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            port = listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        argv, env = service_command(Settings(), port)
        argv[argv.index("airloop.serving.service:Predictions")] = (
            "tests.integration.serving.held_service:Predictions"
        )
        with (home / "service.log").open("wb") as log:
            self.supervisor = subprocess.Popen(
                argv,
                env=env | {"AIRLOOP_TEST_SABOTAGE": sabotage},
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        self.worker = self.supervisor.pid

    def wait(self) -> None:
        """Until it answers; its worker is known then."""
        until(lambda: self.ready() == 200, "the service is ready")
        (self.worker,) = (
            pid for pid, seen in processes().items() if seen.parent == self.supervisor.pid
        )

    def ready(self) -> int:
        """The status of /readyz; 0 where nobody answers."""
        try:
            return httpx.get(f"{self.url}/readyz", timeout=3).status_code
        except httpx.TransportError:
            return 0

    def ask(self) -> httpx.Response:
        headers = {"authorization": f"Bearer {TOKEN}"}
        return httpx.post(
            f"{self.url}/predict", json={"rows": [GOOD_ROW]}, headers=headers, timeout=PATIENCE
        )

    def end(self) -> None:
        """Whatever a test left of it."""
        (self.home / "hold").unlink(missing_ok=True)
        for pid in (self.supervisor.pid, self.worker):
            if pid in processes():
                os.kill(pid, signal.SIGKILL)
        self.supervisor.wait(PATIENCE)


def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"not within {PATIENCE} s: {what}"
        time.sleep(0.05)


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Service]]:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    monkeypatch.setenv("AIRLOOP__SERVING__TOKEN", TOKEN)
    running: list[Service] = []

    def begin(sabotage: str = "") -> Service:
        running.append(Service(tmp_path, sabotage))
        running[0].wait()
        return running[0]

    yield begin
    # Also one that never got ready.
    for service in running:
        service.end()


def hold(service: Service, pool: ThreadPoolExecutor) -> list[Future[httpx.Response]]:
    """Requests that the service has and cannot answer yet."""
    (service.home / "hold").touch()
    asked = [pool.submit(service.ask) for _ in range(CALLERS)]
    until((service.home / "held").exists, "a request has reached the model")
    return asked


def test_told_to_stop_it_is_not_ready_refuses_what_is_new_and_answers_all_it_has(start):
    service = start()
    with ThreadPoolExecutor(CALLERS) as pool:
        asked = hold(service, pool)
        service.supervisor.terminate()
        until(lambda: service.ready() == 503, "/readyz says no")
        refused = _refusal(service)
        assert "the service is stopping" in refused.json()["error"]
        assert (refused.headers["retry-after"], refused.headers["connection"]) == ("1", "close")
        assert not any(one.done() for one in asked)
        assert service.ready() == 503
        (service.home / "hold").unlink()
        answers = [one.result(PATIENCE) for one in asked]
    assert [answer.status_code for answer in answers] == [200] * CALLERS
    assert [answer.json()["predictions"] for answer in answers] == [[4.0]] * CALLERS
    service.supervisor.wait(PATIENCE)
    until(lambda: service.worker not in processes(), "the worker is gone")


def _refusal(service: Service) -> httpx.Response:
    """A prediction refused, once everything is: before that it would be answered, or wait."""
    headers = {"authorization": f"Bearer {TOKEN}"}
    slots = f"{service.url}/slots"
    until(
        lambda: httpx.get(slots, headers=headers, timeout=PATIENCE).status_code == 503,
        "something is refused",
    )
    return service.ask()


def test_a_worker_ends_when_its_supervisor_is_killed_and_answers_what_it_has(start):
    service = start()
    with ThreadPoolExecutor(CALLERS) as pool:
        asked = hold(service, pool)
        service.supervisor.kill()
        until(lambda: service.ready() == 503, "/readyz says no")
        (service.home / "hold").unlink()
        assert {one.result(PATIENCE).status_code for one in asked} == {200}
    until(lambda: service.worker not in processes(), "the worker is gone")
    assert service.ready() == 0


def test_control_unprotected_an_orphan_keeps_the_port_and_stops_without_a_word(start):
    service = start("unprotected")
    service.supervisor.kill()
    service.supervisor.wait(PATIENCE)
    time.sleep(1)
    assert service.ready() == 200
    with ThreadPoolExecutor(CALLERS) as pool:
        asked = hold(service, pool)
        os.kill(service.worker, signal.SIGTERM)
        until(lambda: service.ready() != 200, "it stops answering")
        assert service.ready() == 0
        (service.home / "hold").unlink()
        for one in asked:
            one.exception(PATIENCE)
