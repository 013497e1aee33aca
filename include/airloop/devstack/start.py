"""`airloop up`: everything that is not running is started, side by side, and waited for."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from airloop.check.cluster import found_lines
from airloop.devstack import airflow_config
from airloop.devstack.addresses import Addresses, choose_addresses, write_addresses
from airloop.devstack.airflow import Airflow
from airloop.devstack.components import Component, components
from airloop.devstack.environment import (
    process_environment,
    stack_environment,
    write_env_file,
)
from airloop.devstack.external import check_external
from airloop.devstack.layout import Layout
from airloop.devstack.processes import ProcessRecord, read_records, start
from airloop.devstack.provision import provision
from airloop.devstack.secrets import Secrets, ensure_secrets
from airloop.errors import PermanentError, TransientError, UnreachableError
from airloop.ledger.database import Database
from airloop.ledger.migration import migrate
from airloop.ledger.schema import Age, state
from airloop.paths import root
from airloop.settings import Settings, load_settings
from airloop.specs import load_catalog
from airloop.storage.logs import turn_over

#: Seconds a component may take until it is well; a cold disk and two cores included.
PATIENCE = 180.0
_POLL = 0.25


class Progress(Protocol):
    """Who is told how the start goes."""

    def begin(self, name: str, title: str) -> None:
        """A part is on its way."""

    def done(self, name: str, note: str) -> None:
        """A part is well."""

    def notice(self, text: str) -> None:
        """Something a person should know."""


@dataclass(frozen=True)
class Started:
    """What `up` found or did."""

    addresses: Addresses
    secrets: Secrets
    new_secrets: bool
    started: tuple[str, ...]


def up(layout: Layout, progress: Progress) -> Started:
    """Start what does not run; a stack that runs is left as it is.

    :raises PermanentError: if another `airloop up` is at work on this home
    :raises UnreachableError: if a part does not become well; names its log; or if a database or a bucket that the
        settings name does not answer: then nothing was started
    :raises SpecError: if one of those refuses
    """
    layout.create()
    with _only_one(layout):
        check_external(load_settings())
        for line in found_lines(load_settings(), load_catalog(), layout.cluster):
            progress.notice(f"cluster: {line}")
        turn_over(layout.logs)
        secrets, new = ensure_secrets(layout.secrets)
        records = read_records(layout.run)
        running = {name: record for name, record in records.items() if record.alive}
        addresses = choose_addresses(layout, running, progress.notice)
        write_addresses(layout, addresses)
        settings = load_settings()
        _bring_ledger_up(settings, running, progress)
        common = stack_environment(layout, addresses.url("mlflow"))
        write_env_file(layout, common)
        database = airflow_config.database_url(layout, settings)
        options = airflow_config.options(layout, secrets, addresses, database)
        airflow_config.write(layout, options)
        env = process_environment(common, secrets["stack_id"])
        parts = components(layout, addresses)
        missing = [part for part in parts if part.name not in running]
        if "airflow-api" not in running:
            layout.provisioned.unlink(missing_ok=True)

        def furnish() -> None:
            airflow = Airflow(addresses.url("airflow"), secrets["airflow_password"])
            for line in provision(airflow, settings):
                progress.notice(line)
            layout.provisioned.touch()

        _Start(layout, env, database, running, progress).run(parts, missing, furnish)
    return Started(addresses, secrets, new, tuple(part.name for part in missing))


def _bring_ledger_up(
    settings: Settings, running: Mapping[str, ProcessRecord], progress: Progress
) -> None:
    """Bring the ledger to this version, before anything opens it.

    :raises PermanentError: if processes of the older version still use it
    """
    age = state(Database(settings.ledger_url))
    if age is Age.OLDER and running:
        raise PermanentError(
            "a stack of an older Airloop still runs on this ledger",
            value=", ".join(sorted(running)),
            remedy="stop it first: `airloop down`, then `airloop up`",
        )
    if migrate(settings) is Age.OLDER:
        progress.notice("the ledger of an older Airloop was migrated")


class _Start:
    """One run of `up`: a thread a part, the first failure ends the wait of all."""

    def __init__(
        self,
        layout: Layout,
        env: Mapping[str, str],
        database: str,
        running: Mapping[str, ProcessRecord],
        progress: Progress,
    ) -> None:
        self._layout, self._env, self._running, self._progress = layout, env, running, progress
        self._database = database
        self._migrated = threading.Event()
        self._failed = threading.Event()

    def run(
        self, parts: list[Component], missing: list[Component], furnish: Callable[[], None]
    ) -> None:
        """Bring all parts up; the first error is raised when all threads have ended.

        :param furnish: gives Airflow what its DAGs count on, as soon as it answers: the scheduler runs already
        """
        with ThreadPoolExecutor(max_workers=len(parts) + 2) as pool:
            migration = pool.submit(self._migrate, any(part.needs_database for part in missing))
            waits = [pool.submit(self._bring_up, part, part in missing) for part in parts]
            (door,) = [part for part in parts if part.name == "airflow-api"]
            furnishing = pool.submit(self._furnish, door, furnish)
            errors = [job.exception() for job in (migration, *waits, furnishing)]
        # A part that only stopped waiting because another failed has nothing to say.
        for error in errors:
            if error is not None and not isinstance(error, _GaveUpError):
                raise error

    def _migrate(self, needed: bool) -> None:
        """Bring Airflow's database to this version, once a version and database."""
        stamp = self._layout.airflow / "migrated"
        which = hashlib.sha256(self._database.encode()).hexdigest()[:16]
        current = f"{version('apache-airflow-core')} {which}"
        known = stamp.read_text(encoding="utf-8") if stamp.exists() else ""
        try:
            if needed and known != current:
                self._progress.begin("database", "Airflow database")
                began = time.monotonic()
                _run_migration(self._layout, self._env)
                stamp.write_text(current, encoding="utf-8")
                self._progress.done("database", f"{time.monotonic() - began:.1f} s")
        except BaseException:
            self._failed.set()
            raise
        finally:
            self._migrated.set()

    def _furnish(self, door: Component, furnish: Callable[[], None]) -> None:
        """Also where another part fails: what runs goes on, and must find its pools and connections."""
        if self._layout.provisioned.exists():
            return
        self._migrated.wait()
        deadline = time.monotonic() + PATIENCE
        while not door.healthy(0):
            record = read_records(self._layout.run).get(door.name)
            if time.monotonic() > deadline or (
                self._failed.is_set() and not (record and record.alive)
            ):
                raise _GaveUpError
            time.sleep(_POLL)
        furnish()

    def _bring_up(self, part: Component, missing: bool) -> None:
        try:
            if part.needs_database:
                self._migrated.wait()
            if self._failed.is_set():
                raise _GaveUpError
            self._progress.begin(part.name, part.title)
            began = time.monotonic()
            self._wait(part, self._launch(part) if missing else self._running[part.name])
            note = f"{time.monotonic() - began:.1f} s" if missing else "was running"
            self._progress.done(part.name, note)
        except BaseException:
            self._failed.set()
            raise

    def _launch(self, part: Component) -> ProcessRecord:
        log = self._layout.logs / f"{part.name}.log"
        env = {**self._env, **part.env}
        for name in part.without:
            env.pop(name, None)
        record = start(part.name, part.command, env=env, cwd=root(), log=log)
        record.write(self._layout.run)
        return record

    def _wait(self, part: Component, record: ProcessRecord) -> None:
        log = self._layout.logs / f"{part.name}.log"
        deadline = time.monotonic() + PATIENCE
        while not part.healthy(record.started_at):
            if self._failed.is_set():
                raise _GaveUpError
            if not record.alive:
                raise UnreachableError(
                    f"the {part.title} ended while starting: {last_line(log)}",
                    where=str(log),
                    remedy="read its log, then `airloop down` and `airloop up`",
                )
            if time.monotonic() > deadline:
                raise UnreachableError(
                    f"the {part.title} did not become well within {PATIENCE:.0f} s",
                    where=str(log),
                    remedy="read its log, then `airloop down` and `airloop up`",
                )
            time.sleep(_POLL)


class _GaveUpError(TransientError):
    """Another part failed."""

    def __init__(self) -> None:
        super().__init__("another part failed")


def last_line(log: Path) -> str:
    """The last line a daemon wrote that says something."""
    with contextlib.suppress(OSError):
        tail = log.read_bytes()[-4000:].decode("utf-8", errors="replace")
        for line in reversed(tail.splitlines()):
            if any(letter.isalpha() for letter in line):
                return line.strip()[:200]
    return "it left no word"


@contextlib.contextmanager
def _only_one(layout: Layout) -> Iterator[None]:
    with (layout.run / "up.lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PermanentError(
                "another `airloop up` is at work here",
                where=str(layout.home),
                remedy="wait for it, then ask `airloop status`",
            ) from error
        yield


def _run_migration(layout: Layout, env: Mapping[str, str]) -> None:
    log = layout.logs / "airflow-database.log"
    command = [str(Path(sys.executable).parent / "airflow"), "db", "migrate"]
    with log.open("ab") as output:
        done = subprocess.run(
            command, env=dict(env), cwd=root(), stdout=output, stderr=output, check=False
        )
    if done.returncode != 0:
        raise UnreachableError(
            f"Airflow's database could not be made: {last_line(log)}", where=str(log)
        )
