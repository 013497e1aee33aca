"""S7: the service is killed by SIGKILL under load, or meets a full disk; every acknowledged row must be in the log."""

from __future__ import annotations

import json
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from airloop.serving.log.frames import read_segment
from airloop.serving.log.predictionlog import log_folder, seal_segments
from airloop.serving.responses import LOG_HEADER
from tests.support.checkout import ROOT
from tests.support.serving_fakes import GOOD_ROW, TOKEN

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


def test_killed_under_load_no_acknowledged_row_is_lost(tmp_path: Path):
    moments = random.Random(7)
    acknowledged: set[str] = set()
    for _ in range(ROUNDS):
        acknowledged |= kill_under_load(tmp_path, moments.uniform(0.3, 0.9), [])
    assert len(acknowledged) > 50
    assert acknowledged <= logged(tmp_path)


def test_control_a_service_that_acknowledges_first_loses_rows(tmp_path: Path):
    acknowledged = kill_under_load(tmp_path, 0.8, ["acknowledge-first"])
    assert acknowledged - logged(tmp_path)


def no_space(home: Path, _: int) -> None:
    """ENOSPC at each write."""
    (home / "full").touch()


def space(home: Path, _: int) -> None:
    (home / "full").unlink()


def short_writes(_: Path, pid: int) -> None:
    """A disk with room for a hundred bytes a file: a frame is cut in its middle, then the write fails (EFBIG)."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))


def long_writes(_: Path, pid: int) -> None:
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)


Act = Callable[[Path, int], None]
FULL = pytest.mark.parametrize(
    ("fill", "free"), [(no_space, space), (short_writes, long_writes)], ids=["ENOSPC", "short"]
)
ASKED = 5


def fill_the_disk(home: Path, fill: Act, free: Act, *sabotage: str) -> dict[str, list[str]]:
    """Ask before, while and after the disk is full, then kill it; ids by what each answer said of the log."""
    process, url = serve(home, list(sabotage))
    told: dict[str, list[str]] = {"kept": [], "degraded": []}
    headers = {"authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=url, headers=headers, timeout=60) as http:

        def ask() -> str:
            response = http.post("/predict", json={"rows": [GOOD_ROW]})
            assert response.status_code == 200, response.text
            assert response.json()["predictions"] == [4.0]
            word = response.headers.get(LOG_HEADER, "kept")
            told[word].append(response.json()["request_id"])
            return word

        try:
            before = [ask() for _ in range(ASKED)]
            fill(home, process.pid)
            meanwhile = [ask() for _ in range(ASKED)]
            (slot,) = http.get("/slots").json()["slots"]
            free(home, process.pid)
            after = [ask() for _ in range(ASKED)]
        finally:
            process.kill()
            process.wait()
    assert slot["log_failures"] == ASKED
    assert before == after == ["kept"] * ASKED
    if not sabotage:
        assert meanwhile == ["degraded"] * ASKED
        assert slot["log_error"]
    return told


@FULL
def test_on_a_full_disk_predictions_go_on_and_say_which_rows_are_not_kept(
    tmp_path: Path, fill: Act, free: Act
):
    told = fill_the_disk(tmp_path, fill, free)
    assert logged(tmp_path) == set(told["kept"])


def test_control_a_service_that_says_nothing_of_the_disk_loses_rows_it_acknowledged(tmp_path: Path):
    told = fill_the_disk(tmp_path, no_space, space, "claim-it-is-logged")
    assert len(set(told["kept"]) - logged(tmp_path)) == ASKED
