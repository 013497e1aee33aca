"""A template of Airflow's empty database: made once on a machine, copied by each first start of a home."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import stat
from contextlib import closing, suppress
from importlib.metadata import Distribution, distributions
from pathlib import Path

from airloop import __version__
from airloop.devstack.airflow_config import FIXED

#: What else decides which tables there are and how the file is laid out.
_LIBRARIES = frozenset({"alembic", "sqlalchemy"})


class Template:
    """The template that fits what is installed. It is not used where anything about it is doubtful.

    :param folder: default: ``airloop`` in the user's cache folder
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or _cache_folder()
        key = _key()
        self._path = self._folder / f"airflow-{key}.db" if key else None

    def copy_to(self, target: Path) -> bool:
        """Put a copy there, whole or not at all; False where there is no template that is beyond doubt."""
        if self._path is None or not self._trusted(self._path):
            return False
        aside = target.with_name(f"{target.name}.copy")
        try:
            shutil.copyfile(self._path, aside)
            aside.chmod(0o600)
            if _digest(aside) != self._seal(self._path).read_text(encoding="ascii"):
                return False
            aside.replace(target)
        except OSError:
            return False
        finally:
            aside.unlink(missing_ok=True)
        return True

    def keep(self, made: Path) -> None:
        """Keep a database that Airflow made just now and nobody has used; where that fails, nothing is kept."""
        if self._path is None or not _sound(made):
            return
        aside = self._path.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                shutil.copyfile(made, aside)
                aside.chmod(0o600)
                digest = _digest(aside)
                aside.replace(self._path)
                # A seal of other bytes, or none, is a doubt.
                self._seal(self._path).write_text(digest, encoding="ascii")
            finally:
                aside.unlink(missing_ok=True)

    @staticmethod
    def _seal(path: Path) -> Path:
        return path.with_suffix(".sha256")

    def _trusted(self, path: Path) -> bool:
        """Whether only this user could have written it."""
        try:
            found = [one.stat() for one in (self._folder, path, self._seal(path))]
        except OSError:
            return False
        others = stat.S_IWGRP | stat.S_IWOTH
        return all(one.st_uid == os.getuid() and not one.st_mode & others for one in found)


def _key() -> str | None:
    """What the template depends on: Airflow, its providers, its configuration; None where versions do not tell."""
    there = [one for one in distributions() if _counts(one)]
    if any(one.read_text("direct_url.json") for one in there):
        return None  # installed from a folder or a repository: the same version may hold other migrations
    versions = sorted({f"{one.name}=={one.version}" for one in there})
    parts = [__version__, sqlite3.sqlite_version, versions, FIXED]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


def _counts(one: Distribution) -> bool:
    name = (one.name or "").lower().replace("_", "-")
    return name in _LIBRARIES or name.startswith("apache-airflow")


def _sound(path: Path) -> bool:
    """Whether a database is whole, with nothing of it in a file beside."""
    beside = [path.with_name(path.name + end) for end in ("-wal", "-journal")]
    if any(one.exists() for one in beside):
        return False
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            (said,) = database.execute("PRAGMA quick_check").fetchone()
            stamped = database.execute("SELECT count(*) FROM alembic_version").fetchone()
    except sqlite3.Error:
        return False
    return bool(said == "ok" and stamped[0])


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cache_folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "airloop"
