"""Daemons: started in a session of their own, recorded, recognised again, ended with all they started.

A process is known by its id *and* its start time in kernel ticks, so a recycled id is never taken for
one of ours; what it started is known by its session, its parents, and a mark in its environment.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from airloop.contracts import Contract
from airloop.devstack.machine import Seen, boot, look, processes

#: Carries the stack's id in the environment of each of its processes.
MARK = "AIRLOOP_STACK"

#: The folder of the records of daemons that ended before another took their place.
_ENDED = "ended"

#: Runs a command, in the very same process, once a line came by its input.
_GATE = ("/bin/sh", "-c", 'read -r go && exec "$@" </dev/null', "airloop")

#: What this process started itself: referenced, so that an ended daemon can be collected.
_started: list[subprocess.Popen[bytes]] = []


class ProcessRecord(Contract):
    """A daemon as it was started."""

    name: str
    pid: int
    #: Field 22 of /proc/<pid>/stat: ticks after boot. With the id it names a process for good.
    started_ticks: int
    started_at: float
    command: tuple[str, ...]
    #: Of which start of the machine the id and the ticks are.
    boot: str = ""

    def write(self, folder: Path) -> None:
        """Keep it as ``<folder>/<name>.pid``; that of a daemon before it goes to ``ended``, for what it left behind."""
        if (before := read_records(folder).get(self.name)) is not None and before.pid != self.pid:
            (folder / _ENDED).mkdir(exist_ok=True)
            before._put(folder / _ENDED / f"{self.name}-{before.pid}.pid")
        self._put(folder / f"{self.name}.pid")

    def _put(self, path: Path) -> None:
        """As a whole, and never away in between: others are started, and read these, at the same time."""
        fresh = path.with_suffix(".new")
        fresh.write_text(self.model_dump_json(), encoding="utf-8")
        fresh.replace(path)

    @property
    def alive(self) -> bool:
        """Whether that very process still runs."""
        seen = look(self.pid)
        return seen is not None and seen.ticks == self.started_ticks

    def left(self, seen: Seen) -> bool:
        """Whether a process is what this daemon left behind when it was killed.

        Its own session is the only trace: a program that sets its title, as Airflow's workers do, overwrites its
        environment. The kernel gives a session's number to nobody while one of its processes lives; one that was free
        in between belongs to other programs.
        """
        if self.boot != boot() or seen.session != self.pid or seen.ticks < self.started_ticks:
            return False
        if look(self.pid) is not None:
            return False
        try:
            return Path(f"/proc/{seen.pid}/exe").samefile(sys.executable)
        except OSError:
            return False


def read_records(folder: Path) -> dict[str, ProcessRecord]:
    """All records, by component; what is none of ours is left alone."""
    found = {}
    for path in sorted(folder.glob("*.pid")):
        try:
            record = ProcessRecord.model_validate_json(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):  # forgotten meanwhile, or not ours
            continue
        found[record.name] = record
    return found


def read_ended(folder: Path) -> list[ProcessRecord]:
    """The records of daemons that others took the place of."""
    paths = sorted((folder / _ENDED).glob("*.pid"))
    return [ProcessRecord.model_validate_json(path.read_bytes()) for path in paths]


def forget(folder: Path) -> None:
    """Remove all records."""
    for path in (*folder.glob("*.pid"), *folder.glob(f"{_ENDED}/*.pid")):
        path.unlink(missing_ok=True)


def start(
    name: str, command: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path, folder: Path
) -> ProcessRecord:
    """Start one daemon, on record in ``folder`` before it does anything; its output is appended to ``log``.

    It waits for its record, or ends with its starter: nobody who is killed in between leaves an unknown daemon.
    """
    closed, gate = os.pipe()
    with log.open("ab") as output, os.fdopen(closed) as waiting, os.fdopen(gate, "wb", 0) as go:
        process = subprocess.Popen(
            [*_GATE, *command],
            stdin=waiting,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
        )
        _started.append(process)
        seen = look(process.pid)
        # It may have ended already: then the health wait says so, with its log.
        record = ProcessRecord(
            name=name,
            pid=process.pid,
            started_ticks=seen.ticks if seen else 0,
            started_at=time.time(),
            command=tuple(command),
            boot=boot(),
        )
        record.write(folder)
        with contextlib.suppress(BrokenPipeError):
            go.write(b"go\n")
    return record


def stop(records: Iterable[ProcessRecord], stack_id: str, *, patience: float = 10.0) -> int:
    """End these daemons and everything they started; returns how many processes had to be killed.

    Asks with SIGTERM, then kills what is left after ``patience`` seconds. Orphans of a daemon that
    died earlier are found by the stack's mark, or by its session.
    """
    targets = _family(records, stack_id)
    _signal(targets, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and _living(targets):
        _reap()
        time.sleep(0.05)
    killed: set[tuple[int, int]] = set()
    # What was born meanwhile is looked for again, until nothing is left.
    for _ in range(20):
        left = _living(targets) | _marked(stack_id)
        if not left:
            break
        _signal(left, signal.SIGKILL)
        killed |= {(one.pid, one.ticks) for one in left}
        _reap()
        time.sleep(0.1)
    return len(killed)


def _family(records: Iterable[ProcessRecord], stack_id: str) -> set[Seen]:
    """The daemons, their sessions, their descendants, and every process that carries the mark."""
    everyone, records = processes(), list(records)
    roots = {record.pid for record in records if record.alive}
    dead = [record for record in records if not record.alive]
    family = {
        pid
        for pid, seen in everyone.items()
        if pid in roots or seen.session in roots or any(record.left(seen) for record in dead)
    }
    grown = True
    while grown:
        children = {pid for pid, seen in everyone.items() if seen.parent in family} - family
        family |= children
        grown = bool(children)
    family.discard(os.getpid())
    return {everyone[pid] for pid in family} | _marked(stack_id)


def _marked(stack_id: str) -> set[Seen]:
    needle = f"{MARK}={stack_id}".encode()
    found = set()
    for pid, seen in processes().items():
        if pid == os.getpid():
            continue
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:  # another user's process, or one that ended in between
            continue
        if needle in environment:
            found.add(seen)
    return found


def _living(targets: Iterable[Seen]) -> set[Seen]:
    return {
        target
        for target in targets
        if (seen := look(target.pid)) is not None and seen.ticks == target.ticks
    }


def _signal(targets: Iterable[Seen], number: signal.Signals) -> None:
    for target in _living(targets):
        with contextlib.suppress(ProcessLookupError):
            os.kill(target.pid, number)


def _reap() -> None:
    """Collect the daemons of this very process that ended, lest they stay as zombies."""
    for process in _started:
        process.poll()
