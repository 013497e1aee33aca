"""Starts killed at random moments, and what the next `airloop up` must make of them.

`make killed-starts` tells it at full size; the tests of the stack begin with a short form.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from airloop.devstack.airflow import wait_for
from airloop.devstack.machine import processes
from airloop.devstack.processes import read_records
from tests.support.checkout import ROOT
from tests.support.stack import AIRLOOP, Stack, small_config

#: A start that nothing disturbs is over by then on an idle machine of two cores.
LONGEST = 60.0
FIRST, LAST = "2013-01-01", "2013-01-08"


@dataclass(frozen=True)
class Kill:
    """When a start is killed: `airloop up` alone, or with everything that it started, as when the power is cut."""

    seconds: float
    whole: bool


def moments(seed: int, number: int, longest: float = LONGEST) -> Iterator[Kill]:
    """The same kills for the same seed; by turns alone and whole, most of them early, where most is done."""
    drawn = random.Random(seed)
    for index in range(number):
        yield Kill(0.2 + longest * drawn.random() ** 2, whole=bool(index % 2))


def kill_start(stack: Stack, kill: Kill) -> None:
    """Start, and kill it at its moment; nothing is tidied up."""
    starting = subprocess.Popen(
        [AIRLOOP, "up"],
        env=stack.env,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with suppress(subprocess.TimeoutExpired):
        starting.wait(kill.seconds)
    starting.kill()
    starting.wait()
    if kill.whole:
        leaders = {record.pid for record in read_records(stack.home / "run").values()}
        for pid, seen in processes().items():
            if seen.session in leaders or pid in stack.processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def becomes_well(stack: Stack, patience: float = 300.0) -> None:
    """`airloop status` is green, as soon as the DAGs are read."""
    said = ""

    def green() -> bool | None:
        nonlocal said
        shown = stack.airloop("status")
        said = shown.stdout + shown.stderr
        return shown.returncode == 0 or None

    try:
        wait_for(green, "status is not green", patience=patience, every=2.0)
    except Exception as error:
        raise AssertionError(f"{error}: {said}") from error


def trains(stack: Stack) -> None:
    """Eight days come in and a training runs to its end."""
    fields = ("ingest_flights", f"start={FIRST}", f"end={LAST}")
    for arguments in (fields, ("train_flight_delay", "reason=the first", f"until={LAST}")):
        done = stack.airloop("trigger", *arguments, "--wait", timeout=900)
        assert done.returncode == 0, done.stderr


def round_of(kill: Kill) -> dict[str, object]:
    """One home: a start that is killed, `airloop up`, a green status, a training."""
    with tempfile.TemporaryDirectory(prefix="airloop-killed-") as folder:
        root = Path(folder)
        env = {
            **os.environ,
            "AIRLOOP_HOME": str(root / "home"),
            "AIRLOOP_CONFIG": str(small_config(root / "config")),
            # Each home makes its database itself: that is what is killed.
            "XDG_CACHE_HOME": str(root / "cache"),
        }
        stack = Stack(root / "home", env)
        kill_start(stack, kill)
        seconds = {"killed_after": kill.seconds}
        try:
            with lasting("up", seconds):
                done = stack.airloop("up", timeout=1800)
                assert done.returncode == 0, done.stderr
            with lasting("green", seconds):
                becomes_well(stack)
            with lasting("trained", seconds):
                trains(stack)
        finally:
            stack.airloop("down")
        return {
            "whole": kill.whole,
            **{name: round(lasted, 1) for name, lasted in seconds.items()},
        }


@contextmanager
def lasting(name: str, seconds: dict[str, float]) -> Iterator[None]:
    """Note how long something took."""
    began = time.monotonic()
    yield
    seconds[name] = time.monotonic() - began


def main() -> None:
    """All rounds, two at once as a rule: much of each is waiting. A line of JSON each, the first failure ends it."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.killed_starts")
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--moments", type=int, default=10)
    parser.add_argument("--at-once", type=int, default=2)
    arguments = parser.parse_args()
    with ThreadPoolExecutor(arguments.at_once) as pool:
        for told in pool.map(round_of, moments(arguments.seed, arguments.moments)):
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
