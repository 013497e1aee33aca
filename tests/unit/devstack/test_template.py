"""The template of Airflow's empty database: copied where it is beyond doubt, never otherwise."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from airloop.devstack import template as module
from airloop.devstack.template import Template


def database(path: Path) -> Path:
    """As `airflow db migrate` leaves it."""
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE alembic_version (version_num TEXT)")
        made.execute("INSERT INTO alembic_version VALUES ('a1')")
        made.commit()
    return path


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return database(tmp_path / "airflow.db")


@pytest.fixture
def template(tmp_path: Path, made: Path) -> Template:
    kept = Template(tmp_path / "cache")
    kept.keep(made)
    return kept


def parts(folder: Path) -> tuple[Path, Path]:
    (path,) = (folder / "cache").glob("*.db")
    (seal,) = (folder / "cache").glob("*.sha256")
    return path, seal


def test_a_copy_is_the_database_itself_and_private(
    template: Template, made: Path, tmp_path: Path
) -> None:
    target = tmp_path / "other.db"
    assert template.copy_to(target)
    assert target.read_bytes() == made.read_bytes()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"airflow.db", "other.db", "cache"}


@pytest.mark.parametrize("doubt", ["flipped", "cut", "unsealed", "others", "folder"])
def test_a_doubtful_template_is_not_used(template: Template, tmp_path: Path, doubt: str) -> None:
    path, seal = parts(tmp_path)
    content = path.read_bytes()
    if doubt == "flipped":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif doubt == "cut":
        path.write_bytes(content[:-512])
    elif doubt == "unsealed":
        seal.unlink()
    elif doubt == "others":
        path.chmod(0o666)
    else:
        path.parent.chmod(0o777)
    target = tmp_path / "other.db"
    assert not template.copy_to(target)
    assert not target.exists()


def test_half_a_database_is_not_kept(tmp_path: Path) -> None:
    half = tmp_path / "half.db"
    with closing(sqlite3.connect(half)) as made:
        made.execute("CREATE TABLE dag (id TEXT)")
    Template(tmp_path / "cache").keep(half)
    assert not (tmp_path / "cache").exists()


def test_a_database_with_a_part_beside_it_is_not_kept(made: Path, tmp_path: Path) -> None:
    made.with_name("airflow.db-journal").write_bytes(b"?")
    Template(tmp_path / "cache").keep(made)
    assert not (tmp_path / "cache").exists()


def test_another_version_has_a_template_of_its_own(
    template: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert template.copy_to(tmp_path / "same.db")
    monkeypatch.setattr(module, "__version__", "99")
    assert not Template(tmp_path / "cache").copy_to(tmp_path / "other.db")


def test_an_airflow_from_a_folder_has_none(made: Path, tmp_path: Path) -> None:
    """Its version says nothing of its migrations."""

    class Editable:
        name, version = "apache-airflow-core", "3.3.2"

        def read_text(self, name: str) -> str | None:
            return "{}" if name == "direct_url.json" else None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "distributions", lambda: [Editable()])
        doubtful = Template(tmp_path / "cache")
        doubtful.keep(made)
        assert not doubtful.copy_to(tmp_path / "other.db")
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_written_is_no_error(made: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    template = Template(tmp_path / "cache")
    template.keep(made)
    assert not template.copy_to(tmp_path / "other.db")
