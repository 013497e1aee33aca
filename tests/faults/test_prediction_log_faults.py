"""S7: the service is killed by SIGKILL under load; every acknowledged row must be in the log."""

from __future__ import annotations

import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from include.serving.predictionlog import log_folder, read_segment, seal_segments
from include.settings import ROOT
from tests.serving_fakes import GOOD_ROW, TOKEN

CLIENTS = 6
ROUNDS = 3


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def serve(home: Path, sabotage: list[str]) -> tuple[subprocess.Popen[bytes], str]:
    port = free_port()
    argv = [sys.executable, "-m", "tests.faults.serving_child", str(home), str(port), *sabotage]
    process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                return process, url
        except httpx.TransportError:
            time.sleep(0.05)
    process.kill()
    raise AssertionError("the service did not start")


def kill_under_load(home: Path, seconds: float, sabotage: list[str]) -> set[str]:
    """Start it, let clients ask, kill it at that moment; returns the acknowledged requests' ids."""
    process, url = serve(home, sabotage)
    acknowledged: set[str] = set()

    def ask(client: int) -> None:
        headers = {"authorization": f"Bearer {TOKEN}"}
        with httpx.Client(base_url=url, headers=headers, timeout=10) as http:
            number = 0
            while True:
                number += 1
                rows = [{**GOOD_ROW, "key": f"{client}-{number}"}]
                try:
                    response = http.post("/predict", json={"rows": rows})
                except httpx.TransportError:
                    return
                assert response.status_code == 200, response.text
                acknowledged.add(response.json()["request_id"])

    clients = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for client in clients:
        client.join()
    return acknowledged


def logged(home: Path) -> set[str]:
    found: set[str] = set()
    for path in seal_segments(log_folder(home, "doubler")):
        segment = read_segment(path)
        assert not segment.damaged
        found.update(request["id"] for frame in segment.frames for request in json.loads(frame))
    return found


@pytest.mark.timeout(120)
def test_killed_under_load_no_acknowledged_row_is_lost(tmp_path: Path):
    moments = random.Random(7)
    acknowledged: set[str] = set()
    for _ in range(ROUNDS):
        acknowledged |= kill_under_load(tmp_path, moments.uniform(0.3, 0.9), [])
    assert len(acknowledged) > 50
    assert acknowledged <= logged(tmp_path)


@pytest.mark.timeout(120)
def test_control_a_service_that_acknowledges_first_loses_rows(tmp_path: Path):
    acknowledged = kill_under_load(tmp_path, 0.8, ["acknowledge-first"])
    assert acknowledged - logged(tmp_path)
