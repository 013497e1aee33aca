"""Steps as processes, through the step host and without it: the same outcomes, and no orphans."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airloop.contracts import Fence
from airloop.errors import (
    GateError,
    MemoryLimitError,
    RequestError,
    StepCrashError,
    StorageFullError,
    TransientError,
    UnreachableError,
)
from airloop.execution import process
from airloop.execution.runner import StepRunner
from airloop.settings import Settings, load_settings
from tests.support.processes import lives

STANDIN = Path(__file__).with_name("standin.py")
FENCE = Fence(key="ingest:flights:2013-01-05", token=7)
NEWER = Fence(key="ingest:flights:2013-01-05", token=8)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(process, "command", lambda: [sys.executable, str(STANDIN)])
    load_settings.cache_clear()
    yield load_settings()
    load_settings.cache_clear()


@pytest.fixture
def host(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    with _host(settings) as started:
        yield started
        started.kill()


def _host(settings: Settings) -> subprocess.Popen[bytes]:
    started = subprocess.Popen(
        [sys.executable, str(STANDIN), "--host", str(process.socket_path())],
        env=dict(os.environ),
    )
    _until(process.socket_path().exists)
    return started


@pytest.fixture(params=["plain child", "step host"])
def way(request: pytest.FixtureRequest) -> str:
    if request.param == "step host":
        request.getfixturevalue("host")
    return str(request.param)


def _until(true: Callable[[], object], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return False


def _pids(path: Path) -> list[int]:
    assert _until(lambda: path.exists() and len(path.read_text().split()) == 2, seconds=60)
    return [int(pid) for pid in path.read_text().split()]


def test_a_step_returns_its_result_and_streams_its_log(settings: Settings, way: str) -> None:
    lines: list[str] = []
    result = StepRunner(settings, lines.append).run("ingest", FENCE, {"do": "work"})
    assert result == {"said": "done in local"}
    assert lines == ["doing work"]


def test_request_and_result_stay_in_the_step_store(settings: Settings, way: str) -> None:
    StepRunner(settings).run("ingest", FENCE, {"do": "work"})
    place = Path(settings.step_store_uri, "ingest", "ingest%3Aflights%3A2013-01-05", "7")
    assert {file.name for file in place.iterdir()} == {"request.json", "result.json"}


def test_credentials_reach_the_step_by_its_environment_and_no_file(
    settings: Settings, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "half of another credential")
    lines: list[str] = []
    given = {"AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "a canary"}
    StepRunner(settings, lines.append, credentials=given).run(
        "ingest", FENCE, {"do": "environment"}
    )
    assert lines[1:] == ["AWS_ACCESS_KEY_ID=someone", "AWS_SECRET_ACCESS_KEY=a canary"]
    files = [path for path in Path(settings.step_store_uri).rglob("*") if path.is_file()]
    assert len(files) == 2
    assert not [path for path in files if b"canary" in path.read_bytes()]


@pytest.mark.parametrize(
    ("do", "error", "message"),
    [
        ("permanent", GateError, "too weak; got 0.51; in roc_auc; train on more data"),
        ("transient", UnreachableError, "no answer; in http://nowhere"),
        ("full", StorageFullError, "no space left on the device; in /full"),
        ("crash", StepCrashError, "step ingest crashed (killed by signal 9)"),
        ("bug", StepCrashError, "step ingest crashed (exit code 1)"),
        ("silent", TransientError, "step ingest ended without a result"),
    ],
)
def test_how_a_step_ends_decides_whether_it_is_tried_again(
    settings: Settings, way: str, do: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        StepRunner(settings).run("ingest", FENCE, {"do": do})
    assert type(caught.value) is error
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("do", "why"),
    [
        ("memory", "MemoryError"),
        ("arrow memory", "malloc of size 8589934592 failed"),
    ],
)
def test_an_end_by_memory_is_told_with_the_figure_and_never_tried_again(
    settings: Settings, way: str, do: str, why: str
) -> None:
    """Under a real limit, as `ulimit -v` sets it."""
    with pytest.raises(MemoryLimitError) as caught:
        StepRunner(settings).run("ingest", FENCE, {"do": do})
    assert not caught.value.transient
    told = str(caught.value)
    assert "step ingest needs more memory than it may have: 4,096 MiB of address space" in told
    assert "by `ulimit -v`" in told
    assert why in told
    assert "make the partitions smaller" in told


def test_a_library_that_aborts_for_want_of_memory_is_known_by_its_last_words(
    settings: Settings, way: str
) -> None:
    with pytest.raises(MemoryLimitError, match=r"terminate called after .* 'std::bad_alloc'"):
        StepRunner(settings).run("ingest", FENCE, {"do": "abort"})


def test_a_request_with_an_unknown_field_is_refused(settings: Settings, way: str) -> None:
    with pytest.raises(RequestError, match="Extra inputs are not permitted; got 'rm'"):
        StepRunner(settings).run("ingest", FENCE, {"do": "work", "shell": "rm"})


def test_airflows_keys_never_reach_a_step(
    settings: Settings, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://user:secret@db/airflow")
    assert StepRunner(settings).run("ingest", FENCE, {"do": "environment"}) == {"said": ""}


def test_what_a_step_leaves_running_does_not_hold_its_log_open(
    settings: Settings, way: str
) -> None:
    started = time.monotonic()
    StepRunner(settings).run("ingest", FENCE, {"do": "leave"})
    assert time.monotonic() - started < 20


def test_stop_kills_the_step_and_everything_it_started(
    settings: Settings, way: str, tmp_path: Path
) -> None:
    runner = StepRunner(settings)
    stopper = threading.Thread(target=lambda: (_pids(tmp_path / "pids"), runner.stop()))
    stopper.start()
    with pytest.raises(TransientError):
        runner.run("ingest", FENCE, {"do": "sleep", "path": str(tmp_path / "pids")})
    stopper.join()
    assert _until(lambda: not any(lives(pid) for pid in _pids(tmp_path / "pids")))


def _kill_a_caller(tmp_path: Path, *flags: str) -> list[int]:
    caller = subprocess.Popen(
        [
            sys.executable,
            str(STANDIN),
            "--call",
            str(tmp_path / "home"),
            str(tmp_path / "pids"),
            *flags,
        ],
        env=dict(os.environ),
    )
    pids = _pids(tmp_path / "pids")
    caller.kill()
    caller.wait()
    return pids


def test_a_step_dies_with_its_killed_caller(settings: Settings, way: str, tmp_path: Path) -> None:
    pids = _kill_a_caller(tmp_path)
    assert _until(lambda: not any(lives(pid) for pid in pids))


def test_control_without_the_lifeline_a_step_outlives_its_killed_caller(
    settings: Settings, tmp_path: Path
) -> None:
    pids = _kill_a_caller(tmp_path, "--careless")
    try:
        assert not _until(lambda: not any(lives(pid) for pid in pids), seconds=2)
    finally:
        os.killpg(pids[0], signal.SIGKILL)


def test_a_host_that_dies_takes_its_steps_along_and_the_step_may_be_tried_again(
    settings: Settings, host: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    killer = threading.Thread(target=lambda: (_pids(tmp_path / "pids"), host.kill()))
    killer.start()
    with pytest.raises(TransientError, match="the step host died while the step ran"):
        StepRunner(settings).run("ingest", FENCE, {"do": "sleep", "path": str(tmp_path / "pids")})
    killer.join()
    assert _until(lambda: not lives(_pids(tmp_path / "pids")[0]))
    assert StepRunner(settings).run("ingest", NEWER, {"do": "work"}) == {"said": "done in local"}


def test_libraries_are_loaded_for_the_first_step_and_let_go_when_none_comes(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Half a gigabyte and 26 s of CPU at each start of the stack, whether a step ran or not."""
    loads = tmp_path / "loads"
    (tmp_path / "heavy.py").write_text(f"open({str(loads)!r}, 'a').write('x')\n")
    monkeypatch.setenv("STANDIN_LIBRARIES", "heavy")
    monkeypatch.setenv("STANDIN_IDLE", "0.3")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with _host(settings) as host:
        try:
            for number in (1, 2):
                for _ in range(3):  # `airloop status` asks whether it is there
                    with socket.socket(socket.AF_UNIX) as probe:
                        probe.connect(str(process.socket_path()))
                time.sleep(0.5)
                assert len(loads.read_text() if loads.exists() else "") == number - 1
                fence = Fence(key="ingest:flights:2013-01-05", token=number)
                said = StepRunner(settings).run("ingest", fence, {"do": "work"})
                assert said == {"said": "done in local"}
                assert len(loads.read_text()) == number
                assert _until(lambda: _began_anew(host.pid))
            assert host.poll() is None
        finally:
            host.kill()


def _began_anew(pid: int) -> bool:
    """Whether a process became another program, and waits."""
    return b"AIRLOOP_HOST_LISTENER" in Path(f"/proc/{pid}/environ").read_bytes()


def test_the_hosts_socket_is_for_its_owner_alone(
    settings: Settings, host: subprocess.Popen[bytes]
) -> None:
    assert process.socket_path().stat().st_mode & 0o777 == 0o600


def test_steps_run_side_by_side_in_one_host(
    settings: Settings, host: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    slow = StepRunner(settings)
    path = tmp_path / "pids"
    request = {"do": "sleep", "path": str(path)}
    outcome: list[BaseException] = []

    def sleep() -> None:
        try:
            slow.run("ingest", Fence(key="slow", token=1), request)
        except TransientError as error:
            outcome.append(error)

    waiting = threading.Thread(target=sleep)
    waiting.start()
    pids = _pids(path)
    for token in range(1, 4):
        StepRunner(settings).run("ingest", Fence(key="quick", token=token), {"do": "work"})
    assert lives(pids[0])
    slow.stop()
    waiting.join()
    assert len(outcome) == 1
