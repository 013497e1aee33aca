"""Signs of life while somebody waits for a run: a part whose process ended, a scheduler that has fallen silent.

A slow machine is no error: heartbeats come late there, but they come. Dead is a process that ended, or minutes without
any heartbeat, counted while somebody watches, so that a machine that slept has missed none.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from airloop.devstack.airflow_session import AirflowSession
from airloop.devstack.layout import Layout
from airloop.devstack.processes import read_records
from airloop.errors import UnreachableError

#: Seconds between two looks.
EVERY = 5.0
#: Seconds for which a heartbeat may stay the same; Airflow itself calls a job unhealthy after 30.
SILENT = 180.0
#: Airflow's jobs that carry runs on, as its health page names them, and their parts of the stack.
_JOBS = {"scheduler": "airflow-scheduler", "triggerer": "airflow-triggerer"}
#: All parts that do. Where another died, a task that needs it says so itself.
_PARTS = (*_JOBS.values(), "airflow-execution", "airflow-api")

T = TypeVar("T")


class Pulse:
    """The signs of life of one Airflow, and of the parts of the stack that `airloop up` started here, if it did."""

    def __init__(self, airflow: AirflowSession, layout: Layout) -> None:
        self._airflow, self._layout = airflow, layout
        self._next = time.monotonic()
        #: The last heartbeat of each job, and when it was first seen.
        self._beats: dict[str, tuple[str, float]] = {}

    def watching(self, ask: Callable[[], T | None]) -> Callable[[], T | None]:
        """The same question, which now and then looks first whether an answer can come.

        The new question raises UnreachableError where a part is dead.
        """

        def asked() -> T | None:
            self.check()
            return ask()

        return asked

    def check(self) -> None:
        """Look, at most once in a while.

        :raises UnreachableError: if a part's process has ended, or nothing was heard of it for minutes
        """
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + EVERY
        records = read_records(self._layout.run)
        for part in _PARTS:
            if part in records and not records[part].alive:
                raise self._dead(part, "its process has ended")
        for job, latest in self._airflow.heartbeats(*_JOBS).items():
            before, since = self._beats.get(job, ("", now))
            if latest != before:
                self._beats[job] = latest, now
            elif now - since > SILENT:
                raise self._dead(_JOBS[job], f"no heartbeat for {now - since:.0f} s")

    def _dead(self, part: str, why: str) -> UnreachableError:
        return UnreachableError(
            f"{part} is dead ({why}), so what is waited for may never come",
            where=str(self._layout.logs / f"{part}.log"),
            remedy="read its log; `airloop down` and `airloop up` start everything again",
        )
