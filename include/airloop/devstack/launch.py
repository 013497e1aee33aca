"""Bringing the parts up: side by side, each waited for as long as it gets on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from airloop.devstack.components import Component
from airloop.devstack.layout import Layout
from airloop.devstack.processes import ProcessRecord, read_records, start
from airloop.devstack.progress import Progress, Watch, tail
from airloop.errors import TransientError, UnreachableError
from airloop.paths import root

_POLL = 0.25
#: What takes longer is told of, and again as often.
SLOW_SECONDS = 30.0


class Launch:
    """One run of `up`: a thread a part, the first failure ends the wait of all.

    :param running: the records of what runs already
    """

    def __init__(
        self,
        layout: Layout,
        env: Mapping[str, str],
        running: Mapping[str, ProcessRecord],
        progress: Progress,
    ) -> None:
        self._layout, self._env, self._running, self._progress = layout, env, running, progress
        self._migrated = threading.Event()
        self._failed = threading.Event()
        self._watches: dict[str, Watch] = {}

    def run(
        self, parts: list[Component], migrate: Callable[[], None], furnish: Callable[[], None]
    ) -> None:
        """Bring all parts up; the first error is raised when all threads have ended.

        :param migrate: brings Airflow's database to this version, before anything opens it
        :param furnish: gives Airflow what its DAGs count on, as soon as it answers: the scheduler runs already
        """
        (api,) = [part for part in parts if part.name == "airflow-api"]
        with ThreadPoolExecutor(max_workers=len(parts) + 2) as pool:
            jobs: list[Future[None]] = [pool.submit(self._migrate, migrate)]
            jobs += [pool.submit(self._bring_up, part) for part in parts]
            jobs.append(pool.submit(self._furnish, api, furnish))
            try:
                errors = [job.exception() for job in jobs]
            except BaseException:  # a person does not want to wait any more
                self._failed.set()
                raise
        # A part that only stopped waiting because another failed has nothing to say.
        for error in errors:
            if error is not None and not isinstance(error, _GaveUpError):
                raise error

    def _migrate(self, migrate: Callable[[], None]) -> None:
        try:
            migrate()
        except BaseException:
            self._failed.set()
            raise
        finally:
            self._migrated.set()

    def _furnish(self, api: Component, furnish: Callable[[], None]) -> None:
        """Also where another part fails: what runs goes on, and must find its pools and connections."""
        self._migrated.wait()
        while not api.healthy(0):
            record = read_records(self._layout.run).get(api.name)
            # Where it is not well and somebody failed, it is the one that failed, or it ends soon.
            if self._failed.is_set() and not (record and record.alive and self._gets_on(record)):
                raise _GaveUpError
            time.sleep(_POLL)
        furnish()

    def _gets_on(self, record: ProcessRecord) -> bool:
        watch = self._watches.setdefault(record.name, Watch(record, self._log(record.name)))
        return watch.stuck() is None

    def _log(self, name: str) -> Path:
        return self._layout.logs / f"{name}.log"

    def _bring_up(self, part: Component) -> None:
        try:
            if part.needs_database:
                self._migrated.wait()
            if self._failed.is_set():
                raise _GaveUpError
            self._progress.begin(part.name, part.title)
            began = time.monotonic()
            running = self._running.get(part.name)
            self._wait(part, running or self._start(part))
            note = "was running" if running else f"{time.monotonic() - began:.1f} s"
            self._progress.done(part.name, note)
        except BaseException:
            self._failed.set()
            raise

    def _start(self, part: Component) -> ProcessRecord:
        env = {**self._env, **part.env}
        for name in part.without:
            env.pop(name, None)
        return start(
            part.name,
            part.command,
            env=env,
            cwd=root(),
            log=self._log(part.name),
            folder=self._layout.run,
        )

    def _wait(self, part: Component, record: ProcessRecord) -> None:
        log = self._log(part.name)
        watch, told = self._watches.setdefault(part.name, Watch(record, log)), time.monotonic()
        while not part.healthy(record.started_at):
            if self._failed.is_set():
                raise _GaveUpError
            stuck = watch.stuck() if record.alive else "ended while starting"
            if stuck is not None:
                raise UnreachableError(
                    f"the {part.title} {stuck}: {' | '.join(tail(log)) or 'it left no word'}",
                    where=str(log),
                    remedy="read its log, then `airloop down` and `airloop up`",
                )
            if time.monotonic() - told >= SLOW_SECONDS:
                told = time.monotonic()
                self._progress.slow(part.name, watch.said())
            time.sleep(_POLL)


class _GaveUpError(TransientError):
    """Another part failed."""

    def __init__(self) -> None:
        super().__init__("another part failed")
