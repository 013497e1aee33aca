"""Airflow's own database: made at the first start, brought to this version at a later one.

Airflow takes 9 s of CPU to make an empty one, while everything waits. It is the same for every home, so the first one
made is kept as a template under ``~/.cache/airloop`` and copied from then on; SQLite only.
"""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from airloop.devstack.layout import Layout
from airloop.devstack.progress import Progress, last_line
from airloop.devstack.template import Template
from airloop.errors import UnreachableError
from airloop.paths import root

#: Overrides airflow.cfg for the one process that makes a database aside.
_DATABASE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
_SLOW_SECONDS = 30.0


class AirflowDatabase:
    """The database that a URL means.

    :param env: of Airflow's processes
    """

    def __init__(
        self, layout: Layout, url: str, env: Mapping[str, str], progress: Progress
    ) -> None:
        self._layout, self._url, self._env, self._progress = layout, url, env, progress
        which = hashlib.sha256(url.encode()).hexdigest()[:16]
        self._current = f"{version('apache-airflow-core')} {which}"
        self._stamp = layout.airflow / "migrated"
        self._log = layout.logs / "airflow-database.log"

    def migrate(self) -> None:
        """Bring it to this version, once a version and database.

        :raises UnreachableError: if Airflow cannot
        """
        if self._known():
            return
        self._progress.begin("database", "Airflow database")
        began = time.monotonic()
        with self._alone() as lock:
            how = "" if self._known() else self._bring_up(lock)
        self._progress.done("database", f"{time.monotonic() - began:.1f} s{how}")

    def _known(self) -> bool:
        if not self._stamp.exists():
            return False
        if (file := self._file()) is not None and not file.exists():
            return False  # somebody removed the database and left its stamp
        return self._stamp.read_text(encoding="utf-8") == self._current

    def _bring_up(self, lock: int) -> str:
        """Make it or migrate it; returns what a person may want to know of how."""
        file, how = self._file(), ""
        if file is None or file.exists():
            self._run(lock, self._env)
        elif (template := Template()).copy_to(file):
            how = ", from a template"
        else:
            self._make(file, lock)
            template.keep(file)
        self._stamp.write_text(self._current, encoding="utf-8")
        return how

    def _make(self, file: Path, lock: int) -> None:
        """Make a new one aside: a start that is killed leaves no half of one in its place."""
        aside = file.with_name("airflow.db.new")
        for old in file.parent.glob(f"{aside.name}*"):
            old.unlink()
        self._run(lock, {**self._env, _DATABASE: self._url.replace(str(file), str(aside))})
        aside.replace(file)

    def _run(self, lock: int, env: Mapping[str, str]) -> None:
        command = [str(Path(sys.executable).parent / "airflow"), "db", "migrate"]
        with self._log.open("ab") as output:
            # It inherits the lock: should this process be killed, the next start waits for it.
            done = subprocess.run(
                command, env=dict(env), cwd=root(), stdout=output, stderr=output, check=False,
                stdin=subprocess.DEVNULL, pass_fds=(lock,),
            )  # fmt: skip
        if done.returncode != 0:
            raise UnreachableError(
                f"Airflow's database could not be made: {last_line(self._log)}",
                where=str(self._log),
                remedy="read its log, mend what it says, then run `airloop up` again",
            )

    def _file(self) -> Path | None:
        """Where an SQLite database lies; None of another one."""
        scheme, _, path = self._url.partition(":///")
        return Path(path.partition("?")[0]) if scheme == "sqlite" else None

    @contextmanager
    def _alone(self) -> Iterator[int]:
        """Not beside the migration of a start that was killed, which goes on by itself."""
        with (self._layout.airflow / "migration.lock").open("w", encoding="utf-8") as lock:
            began = said = time.monotonic()
            while not _locked(lock.fileno()):
                if time.monotonic() - said > _SLOW_SECONDS:
                    said = time.monotonic()
                    self._progress.slow(
                        "database",
                        f"waiting for {said - began:.0f} s for the migration of a start that was "
                        f"killed: {last_line(self._log)}",
                    )
                time.sleep(0.2)
            yield lock.fileno()


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
