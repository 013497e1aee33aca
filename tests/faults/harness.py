"""Killing and pausing steps at exact points, for any publication.

Children are forked from a server that has imported the libraries and used none of them (a used
Delta or MLflow has threads, and a fork of those may hang): a child costs milliseconds, not seconds.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Protocol

import psutil

from airloop.ledger.commit import Stage
from airloop.ledger.faults import VARIABLE
from tests.support.processes import state

PRELOAD = ["__main__", "tests.faults.preload"]
PATIENCE = 60
#: Each point at which the kernel can be hit.
POINTS = [f"{stage}:{moment}" for stage in Stage for moment in ("before", "after")]
#: The moments at which nothing is public yet, each once: after one stage is before the next.
UNPUBLISHED = ["stage:before", "checksum:before", "fence:before", "publish:before"]
PUBLISHED = ["publish:after", "verify:before", "verify:after"]

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(PRELOAD)


class Scenario(Protocol):
    """One thing to be published, as a whole life of it; sent to children, so plain data."""

    @property
    def key(self) -> str:
        """The fence's key."""

    def attempt(self, sabotage: str = "") -> None:
        """One attempt, as a task would make it: begin, then commit. Runs in a child.

        :param sabotage: the protection to take away first, for a control; empty for none
        """

    def visible(self) -> Hashable:
        """What a reader sees now; None for nothing.

        :raises AssertionError: if it is half-done
        """

    def commits(self) -> int:
        """How many times something was made public."""


@dataclass
class Ended:
    """How a child ended."""

    code: int | None
    error: str = ""


@dataclass
class Child:
    """An attempt in a process of its own."""

    process: Any
    receiver: Connection

    def wait(self) -> Ended:
        """Until it ends."""
        self.process.join(PATIENCE)
        assert self.process.exitcode is not None, "the child hangs"
        error = self.receiver.recv() if self.receiver.poll() and _has_word(self) else ""
        self.receiver.close()
        return Ended(self.process.exitcode, error)

    def wait_until_stopped(self) -> None:
        """Until its planted pause stops it."""
        deadline = time.monotonic() + PATIENCE
        while state(self.process.pid) != psutil.STATUS_STOPPED:
            assert self.process.exitcode is None, f"ended before its pause: {self.wait()}"
            assert time.monotonic() < deadline, "the child never reached its pause"
            time.sleep(0.005)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.process.exitcode is None:
            os.kill(self.process.pid, number)


def _has_word(child: Child) -> bool:
    """A killed child closes its pipe without a word, which also counts as readable."""
    return child.process.exitcode != -signal.SIGKILL


def start(scenario: Scenario, fault: str = "", sabotage: str = "") -> Child:
    """Begin an attempt in a child. ``fault``: ``publish:before:kill``."""
    receiver, sender = _context.Pipe(duplex=False)
    planted = f"{scenario.key}@{fault}" if fault else ""
    env = {key: value for key, value in os.environ.items() if key.startswith("AIRLOOP")}
    process = _context.Process(
        target=_live, args=(scenario, sabotage, env | {VARIABLE: planted}, sender)
    )
    process.start()
    sender.close()
    return Child(process, receiver)


def _live(scenario: Scenario, sabotage: str, env: dict[str, str], sender: Connection) -> None:
    os.environ.update(env)
    try:
        scenario.attempt(sabotage)
        sender.send("")
    except Exception as error:
        sender.send(f"{type(error).__name__}: {error}")
    finally:
        sender.close()


def run(scenario: Scenario, fault: str = "", sabotage: str = "") -> Ended:
    """One attempt from begin to end."""
    return start(scenario, fault, sabotage).wait()


@dataclass
class Reader:
    """Looks all the time at what is public, and remembers every different thing it saw."""

    scenario: Scenario
    seen: list[Hashable] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    reads: int = 0

    def look(self) -> None:
        """One look."""
        try:
            found = self.scenario.visible()
        except AssertionError as error:
            self.torn.append(str(error))
            return
        self.reads += 1
        if not self.seen or self.seen[-1] != found:
            self.seen.append(found)

    def check_whole_or_nothing(self) -> None:
        """Nothing half-done was seen, and in the end all of it."""
        whole = self.scenario.visible()
        assert whole is not None
        assert self.torn == []
        assert self.seen in ([None, whole], [whole])


@contextmanager
def watching(scenario: Scenario, pause: float = 0.03) -> Iterator[Reader]:
    """A reader that polls while the block runs."""
    reader, stop = Reader(scenario), threading.Event()

    def poll() -> None:
        while not stop.is_set():
            reader.look()
            time.sleep(pause)

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield reader
    finally:
        stop.set()
        thread.join()
        reader.look()


def kill_then_retry(scenario: Scenario, point: str) -> Reader:
    """Kill -9 at a point, then run again; returns what a reader saw in between and after.

    :raises AssertionError: if the retry fails or something was published twice
    """
    with watching(scenario) as reader:
        assert run(scenario, f"{point}:kill").code == -signal.SIGKILL
        again = run(scenario)
        assert again == Ended(0), again
    assert scenario.commits() == 1
    return reader


def kill_at_random_then_retry(scenario: Scenario, seed: int, longest: float) -> Reader:
    """Kill -9 after a random time, up to three times, then run to the end."""
    chance = random.Random(seed)
    with watching(scenario) as reader:
        for _ in range(chance.randint(1, 3)):
            child = start(scenario)
            time.sleep(chance.uniform(0, longest))
            child.signal(signal.SIGKILL)
            child.wait()
        again = run(scenario)
        assert again == Ended(0), again
    # A kill may fall between the act and its being counted.
    assert scenario.commits() <= 1
    return reader


def overlap(
    scenario: Scenario, point: str, sabotage: str = "", meanwhile: Callable[[], None] | None = None
) -> tuple[Ended, Ended]:
    """Pause one attempt at a point, let another run to its end, wake the first; returns both ends."""
    first = start(scenario, f"{point}:pause", sabotage)
    try:
        first.wait_until_stopped()
        if meanwhile:
            meanwhile()
        second = run(scenario, sabotage=sabotage)
    finally:
        first.signal(signal.SIGCONT)
    return first.wait(), second


def check_one_wins(scenario: Scenario, point: str, by: str = "attempt 2") -> None:
    """Of two overlapping attempts one commits, and the one paused at that point is told who did."""
    paused, other = overlap(scenario, point)
    assert other == Ended(0)
    assert paused.error.startswith(f"SupersededError: superseded by {by}")
    assert scenario.commits() == 1
