"""Daemons are recognised by id and start time, and end with everything they started."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airloop.devstack import processes
from airloop.devstack.processes import MARK, ProcessRecord, read_records, start, stop

STACK = f"0123456789abcdef-{os.getpid()}"
SLEEP = "import time; time.sleep(60)"


def daemon(tmp_path: Path, code: str = SLEEP, name: str = "part") -> ProcessRecord:
    # A variable that is set again at start, as coverage does, ends what a program's title can overwrite.
    kept = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE_")}
    env = {**kept, MARK: STACK}
    log = tmp_path / "log"
    command = [sys.executable, "-c", code]
    return start(name, command, env=env, cwd=tmp_path, log=log, folder=tmp_path)


def alive(pid: int) -> bool:
    return pid in processes.processes()


def child_of(tmp_path: Path, code: str) -> tuple[ProcessRecord, int]:
    """A daemon that started a process of its own and wrote down its id."""
    file = tmp_path / "child"
    script = (
        "import subprocess, sys, time, pathlib\n"
        f"child = subprocess.Popen([sys.executable, '-c', {SLEEP!r}], start_new_session=True)\n"
        f"pathlib.Path({str(file)!r}).write_text(str(child.pid))\n{code}"
    )
    record = daemon(tmp_path, script)
    deadline = time.monotonic() + 20
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return record, int(file.read_text())


def test_a_daemon_is_recorded_found_again_and_stopped(tmp_path: Path) -> None:
    record = daemon(tmp_path)
    assert read_records(tmp_path) == {"part": record}
    assert record.alive
    stop([record], STACK)
    assert not record.alive


def test_what_a_daemon_started_in_another_session_ends_with_it(tmp_path: Path) -> None:
    record, child = child_of(tmp_path, "time.sleep(60)")
    stop([record], STACK)
    assert not record.alive
    assert not alive(child)


def test_the_orphan_of_a_crashed_daemon_is_found_by_the_mark(tmp_path: Path) -> None:
    record, child = child_of(tmp_path, "")
    deadline = time.monotonic() + 20
    while record.alive:
        processes._reap()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert alive(child)
    stop([record], STACK, patience=1)
    assert not alive(child)


def test_without_the_mark_the_orphan_would_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, child = child_of(tmp_path, "")
    while record.alive:
        processes._reap()
        time.sleep(0.02)
    with monkeypatch.context() as patch:
        patch.setattr(processes, "_marked", lambda _: set())
        stop([record], STACK, patience=1)
    assert alive(child)
    stop([record], STACK, patience=1)


WORKER = """
import os, pathlib, sys, time
if os.fork() == 0:
    import setproctitle
    setproctitle.setproctitle("airflow worker -- LocalExecutor: <idle>" + " " * 4000)
    pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
time.sleep(60)
"""


def until(true: Callable[[], bool]) -> bool:
    """Whether it becomes so: a busy kernel takes a moment to end what was killed."""
    deadline = time.monotonic() + 20
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return true()


def killed_scheduler(tmp_path: Path) -> int:
    """A daemon that was killed while its worker lived; returns the worker's id."""
    file = tmp_path / "worker"
    file.unlink(missing_ok=True)
    code = WORKER.replace("sys.argv[1]", repr(str(file)))
    record = daemon(tmp_path, code, "scheduler")
    deadline = time.monotonic() + 20
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(record.pid, 9)
    while record.alive:
        processes._reap()
        time.sleep(0.02)
    return int(file.read_text())


def test_the_workers_of_killed_schedulers_end_though_they_overwrote_their_environment(
    tmp_path: Path,
) -> None:
    """Three generations of them lived on after `airloop down` (seen with Airflow 3.3's LocalExecutor)."""
    workers = [killed_scheduler(tmp_path) for _ in range(3)]
    assert until(lambda: processes._marked(STACK) == set())
    assert all(alive(pid) for pid in workers)
    records = [*read_records(tmp_path).values(), *processes.read_ended(tmp_path)]
    assert len(records) == 3
    stop(records, STACK, patience=2)
    assert until(lambda: not any(alive(pid) for pid in workers))
    processes.forget(tmp_path)
    assert processes.read_ended(tmp_path) == []


def test_a_session_of_another_start_of_the_machine_is_left(tmp_path: Path) -> None:
    worker = killed_scheduler(tmp_path)
    (record,) = read_records(tmp_path).values()
    stop([record.model_copy(update={"boot": "another"})], "another-stack", patience=0.2)
    assert alive(worker)
    stop([record], STACK, patience=2)
    assert until(lambda: not alive(worker))


def test_a_recycled_process_id_is_never_touched(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SLEEP]) as stranger:
        seen = processes.processes()[stranger.pid]
        record = ProcessRecord(
            name="part", pid=seen.pid, started_ticks=seen.ticks - 1, started_at=0, command=("x",)
        )
        assert not record.alive
        stop([record], "another-stack", patience=0.2)
        assert stranger.poll() is None
        stranger.kill()


def test_by_the_id_alone_the_stranger_would_be_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SLEEP]) as stranger:
        seen = processes.processes()[stranger.pid]
        record = ProcessRecord(
            name="part", pid=seen.pid, started_ticks=seen.ticks, started_at=0, command=("x",)
        )
        stop([record], "another-stack", patience=5)
        assert stranger.wait(timeout=5) != 0


def test_a_daemon_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    code = (
        "import signal, pathlib, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"pathlib.Path({str(ready)!r}).touch(); time.sleep(60)"
    )
    record = daemon(tmp_path, code)
    deadline = time.monotonic() + 20
    while not ready.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert stop([record], STACK, patience=0.3) == 1
    assert not record.alive


def test_a_record_that_is_not_one_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "part.pid").write_text("12345")
    assert read_records(tmp_path) == {}


def test_records_are_read_while_others_take_the_place_of_a_daemon(tmp_path: Path) -> None:
    """`up` starts its parts side by side, and each looks for who was there before."""
    parts = ("one", "two", "three")

    def record(name: str, pid: int) -> ProcessRecord:
        return ProcessRecord(name=name, pid=pid, started_ticks=0, started_at=0.0, command=())

    def replaced(name: str) -> None:
        for pid in range(1, 200):
            record(name, pid).write(tmp_path)
            assert read_records(tmp_path).keys() == set(parts)

    for name in parts:
        record(name, 0).write(tmp_path)
    with ThreadPoolExecutor() as pool:
        for job in [pool.submit(replaced, name) for name in parts]:
            job.result()
    ended = Counter(one.name for one in processes.read_ended(tmp_path))
    assert ended == dict.fromkeys(parts, 199)
