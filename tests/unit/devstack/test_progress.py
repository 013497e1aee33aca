"""A daemon that is starting is waited for as long as it gets on: real processes, a clock that the test turns."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airloop.devstack import progress
from airloop.devstack.processes import ProcessRecord, start, stop
from airloop.devstack.progress import STILL_SECONDS, Watch, last_line, tail

SLEEPS = "import time; time.sleep(60)"
COMPUTES = "while True: pass"
LOGS = "import time\nwhile True: print('a line', flush=True); time.sleep(0.05)"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watched(tmp_path: Path, clock: Clock) -> Iterator[Callable[[str], Watch]]:
    records: list[ProcessRecord] = []
    log = tmp_path / "log"

    def begin(code: str) -> Watch:
        command = [sys.executable, "-c", code]
        records.append(start("part", command, env={}, cwd=tmp_path, log=log, folder=tmp_path))
        return Watch(records[0], log, clock)

    yield begin
    stop(records, "no stack", patience=0)


def gets_on(watch: Watch, clock: Clock, seconds: float) -> bool:
    """Whether it is still waited for when so much time has passed, half of it at a time."""
    until = time.monotonic() + 20
    told = None
    for _ in range(4):
        clock.now += seconds / 4
        # Real time for the real process: what it does in it is what counts.
        seen = watch._moved
        while (told := watch.stuck()) is None and watch._moved == seen:
            if time.monotonic() > until:
                return False
            clock.now += progress._LOOK / 1000
            watch._looked = -1e9
            time.sleep(0.01)
    return told is None


def test_a_daemon_that_does_nothing_is_given_up_after_the_time_that_is_told(
    watched: Callable[[str], Watch], clock: Clock
) -> None:
    watch = watched(SLEEPS)
    clock.now = STILL_SECONDS - 1
    assert watch.stuck() is None
    clock.now = STILL_SECONDS
    assert f"did nothing for {STILL_SECONDS:.0f} s" in (watch.stuck() or "")


@pytest.mark.parametrize("code", [COMPUTES, LOGS], ids=["computes", "logs"])
def test_a_daemon_that_gets_on_is_waited_for_many_times_as_long(
    watched: Callable[[str], Watch], clock: Clock, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    monkeypatch.setattr(progress, "BUSY_SECONDS", 0.1)
    assert gets_on(watched(code), clock, 3 * STILL_SECONDS)


def test_a_daemon_that_computes_without_an_end_is_given_up(
    watched: Callable[[str], Watch], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "MAX_CPU_SECONDS", 0.2)
    watch, until = watched(COMPUTES), time.monotonic() + 20
    while (told := watch.stuck()) is None and time.monotonic() < until:
        clock.now += 2
        time.sleep(0.1)
        watch._moved = clock.now
    assert "of CPU, ten times what a start takes" in (told or "")


def test_nobody_waits_longer_than_an_hour(watched: Callable[[str], Watch], clock: Clock) -> None:
    watch = watched(SLEEPS)
    clock.now = watch._moved = progress.MAX_SECONDS
    assert watch.stuck() == "is not well after 60 min"


def test_what_is_slow_is_said_with_its_last_line(
    watched: Callable[[str], Watch], clock: Clock, tmp_path: Path
) -> None:
    watch = watched(SLEEPS)
    (tmp_path / "log").write_text("reading the catalog\n")
    clock.now = 42
    assert watch.said().startswith("still starting after 42 s, 0 s of CPU so far")
    assert watch.said().endswith(": reading the catalog")


def test_the_last_word_of_a_log_is_a_sentence(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("Traceback ...\nValueError: the port is taken\n\n----\n")
    assert last_line(log) == "ValueError: the port is taken"
    assert tail(log) == ["Traceback ...", "ValueError: the port is taken"]
    assert last_line(tmp_path / "none") == "it left no word"
