"""A real DAG processor with the settings of `airloop up`, and what the kernel counts of it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airloop.devstack.airflow_config import BUNDLE, FIXED, OF_THE_PROCESSOR
from airloop.projects.stubs import parse_interval
from tests.support.checkout import ROOT

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cpu:
    """Seconds of CPU: the processor's own, and those of the parses that ended."""

    own: float
    parses: float

    def __sub__(self, before: Cpu) -> Cpu:
        return Cpu(self.own - before.own, self.parses - before.parses)


@dataclass(frozen=True)
class Processor:
    """A DAG processor at work."""

    pid: int
    database: Path
    config: Path

    def cpu(self) -> Cpu:
        """What it took so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2]
        own_user, own_system, user, system = (int(one) for one in fields.split()[11:15])
        return Cpu((own_user + own_system) / _TICK, (user + system) / _TICK)

    def children(self) -> str:
        """The ids of its parses that have not ended."""
        path = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return path.read_text(encoding="utf-8")

    def ask(self, query: str, *values: str) -> Any:
        """The first field that Airflow's database answers with."""
        with closing(sqlite3.connect(self.database, timeout=60)) as connection:
            row = connection.execute(query, values).fetchone()
        return row[0] if row else None


def _environment(home: Path, config: Path, size: int, refresh: int) -> dict[str, str]:
    options = {
        **FIXED["dag_processor"],
        "refresh_interval": str(refresh),
        "bundle_refresh_check_interval": str(min(refresh, 5)),
        "dag_bundle_config_list": json.dumps([BUNDLE]),
        "dag_bundle_storage_path": str(home / "bundles"),
        "min_file_process_interval": str(parse_interval(size + 1)),
    }
    return {
        **{key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ},
        **{f"AIRFLOW__DAG_PROCESSOR__{key.upper()}": value for key, value in options.items()},
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        **OF_THE_PROCESSOR,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}?timeout=60",
        "AIRLOOP_PROJECT": str(ROOT),
        "AIRLOOP_CONFIG": str(config),
        "AIRLOOP_HOME": str(home / "airloop"),
    }


def migrated(scratch: Path) -> Path:
    """Airflow's tables, migrated once."""
    home = scratch / "template"
    home.mkdir()
    env = _environment(home, ROOT / "config", 1, 5)
    command = [str(Path(sys.executable).parent / "airflow"), "db", "migrate"]
    subprocess.run(command, env=env, cwd=home, check=True, capture_output=True, timeout=300)
    return home / "airflow.db"


@contextmanager
def started(home: Path, config: Path, database: Path, refresh: int) -> Iterator[Processor]:
    """A processor over a project's specs, ended with what it started.

    :param database: Airflow's tables, which are copied
    """
    # Not as a file: what was written last may stand in its log still.
    with (
        closing(sqlite3.connect(database)) as whole,
        closing(sqlite3.connect(home / "airflow.db")) as copy,
    ):
        whole.backup(copy)
        # A database that others used has DAGs of theirs: none of them is this fleet's.
        for table in ("serialized_dag", "dag_code", "dag_version", "dag_tag", "dag"):
            copy.execute(f"DELETE FROM {table}")
        copy.commit()
    size = len(list((config / "models").iterdir()))
    command = [str(Path(sys.executable).parent / "airflow"), "dag-processor"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env=_environment(home, config, size, refresh),
            cwd=home,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield Processor(process.pid, home / "airflow.db", config)
        except TimeoutError:
            sys.stderr.write((home / "log").read_text(encoding="utf-8", errors="replace")[-3000:])
            raise
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
