"""Airflow's database is there whole or not at all, once, however starts are killed; `airflow` is a stand-in."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from airloop.devstack import database
from airloop.devstack.database import AirflowDatabase
from airloop.devstack.layout import Layout
from airloop.errors import UnreachableError
from tests.support.progress import Told

#: Takes note of each call, makes the database that the variable or, without it, airflow.cfg names.
AIRFLOW = """#!{python}
import os, pathlib, sqlite3, sys, time
home = pathlib.Path(os.environ["AIRFLOW_HOME"])
with (home / "calls").open("a") as calls:
    calls.write("call\\n")
url = os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{{home}}/airflow.db")
with sqlite3.connect(url.removeprefix("sqlite:///").partition("?")[0]) as made:
    made.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num TEXT)")
    made.commit()
    time.sleep(float(os.environ.get("SLOW", "0")))
    made.execute("INSERT INTO alembic_version VALUES ('a1')")
made.close()
if "FAILS" in os.environ:
    sys.exit("no such revision")
"""


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    programs = tmp_path / "bin"
    programs.mkdir()
    airflow = programs / "airflow"
    airflow.write_text(AIRFLOW.format(python=sys.executable))
    airflow.chmod(0o755)
    monkeypatch.setattr(database.sys, "executable", str(programs / "python"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("AIRLOOP_PROJECT", str(tmp_path))
    return home(tmp_path, "home")


def home(folder: Path, name: str) -> Layout:
    made = Layout(folder / name)
    made.create()
    return made


def of(layout: Layout, told: Told | None = None, **env: str) -> AirflowDatabase:
    url = f"sqlite:///{layout.airflow / 'airflow.db'}?timeout=30"
    return AirflowDatabase(
        layout, url, {"AIRFLOW_HOME": str(layout.airflow), **env}, told or Told()
    )


def calls(layout: Layout) -> int:
    path = layout.airflow / "calls"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_it_is_made_once(layout: Layout) -> None:
    of(layout).migrate()
    of(layout).migrate()
    assert calls(layout) == 1
    assert (layout.airflow / "airflow.db").exists()
    assert not list(layout.airflow.glob("airflow.db.*"))


def test_the_next_home_copies_it_without_airflow(layout: Layout, tmp_path: Path) -> None:
    of(layout).migrate()
    second, told = home(tmp_path, "second"), Told()
    of(second, told).migrate()
    assert calls(second) == 0
    assert "from a template" in told.done_notes["database"]
    first = (layout.airflow / "airflow.db").read_bytes()
    assert (second.airflow / "airflow.db").read_bytes() == first


def test_one_that_somebody_removed_is_made_again(layout: Layout) -> None:
    of(layout).migrate()
    (layout.airflow / "airflow.db").unlink()
    of(layout).migrate()
    assert (layout.airflow / "airflow.db").exists()


def test_one_of_another_version_is_migrated_in_its_place(layout: Layout) -> None:
    of(layout).migrate()
    (layout.airflow / "migrated").write_text("3.2.0 of old")
    of(layout).migrate()
    assert calls(layout) == 2


def test_what_airflow_says_is_the_error_and_nothing_is_in_its_place(layout: Layout) -> None:
    with pytest.raises(UnreachableError, match="could not be made: no such revision"):
        of(layout, FAILS="1").migrate()
    assert not (layout.airflow / "airflow.db").exists()
    of(layout).migrate()
    assert (layout.airflow / "airflow.db").exists()


KILLED = """
import sys
sys.executable = sys.argv[2]
from pathlib import Path
from tests.unit.devstack.test_database import Layout, of
of(Layout(Path(sys.argv[1])), SLOW="1.5").migrate()
"""


def test_the_next_start_waits_for_the_migration_of_one_that_was_killed(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two migrations at once leave half a database."""
    monkeypatch.setattr(database, "_SLOW_SECONDS", 0.2)
    programs = str(tmp_path / "bin" / "python")
    command = [sys.orig_argv[0], "-c", KILLED, str(layout.home), programs]
    with subprocess.Popen(command) as starting:
        while not (layout.airflow / "airflow.db.new").exists():
            assert starting.poll() is None
            time.sleep(0.01)
        starting.send_signal(signal.SIGKILL)
    told = Told()
    of(layout, told).migrate()
    assert "of a start that was killed" in told.slow_notes[-1]
    assert calls(layout) == 2
    assert (layout.airflow / "airflow.db").exists()
