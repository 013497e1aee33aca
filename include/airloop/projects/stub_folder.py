"""A folder of stubs on disk: written and removed one file at a time, each whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from airloop.errors import StorageFullError
from airloop.projects.stubs import STUBS, Plan

#: In the folder of the stubs: which project they are of.
NOTE = ".airloop.json"


@dataclass(frozen=True)
class Written:
    """What one look changed."""

    stubs: int
    written: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True)
class Origin:
    """The project that stubs are of."""

    project: Path
    config: Path


@dataclass
class StubFolder:
    """The stubs of one project below one folder of DAG files.

    :param folder: the folder of DAG files; the stubs lie in :data:`STUBS` below it
    """

    folder: Path
    origin: Origin
    plan: Plan

    @property
    def stubs(self) -> Path:
        """Where the stubs lie."""
        return self.folder / STUBS

    def complete(self) -> bool:
        """Whether each spec has its stub; reads no spec."""
        return (self.stubs / NOTE).exists() and self.plan.names() <= set(_found(self.stubs))

    def write(self) -> Written:
        """Write what is not there or is made from something else now, and remove what has no spec any more.

        :raises StorageFullError: if the file system refuses
        """
        try:
            self._note()
            return self._write()
        except OSError as error:
            raise StorageFullError(
                "the DAG files of the specs cannot be written",
                value=error.strerror,
                where=str(self.stubs),
                remedy="free space there, or let this user write to it",
            ) from error

    def _write(self) -> Written:
        wanted = {stub.path: stub for stub in self.plan.stubs()}
        written = []
        for path, stub in wanted.items():
            if _text(self.stubs / path) != stub.text:
                _replace(self.stubs / path, stub.text)
                written.append(str(path))
        removed = [path for path in _found(self.stubs) if path not in wanted]
        for path in removed:
            (self.stubs / path).unlink(missing_ok=True)
        return Written(len(wanted), tuple(written), tuple(map(str, removed)))

    def _note(self) -> None:
        """Relative where the stubs lie in the project, so that it may be copied with them into an image."""
        project, config = self.origin.project, self.origin.config
        inside = self.stubs.is_relative_to(project)
        said = {"project": os.path.relpath(project, self.stubs) if inside else str(project)}
        if config != project / "config":
            said["config"] = str(config)
        text = json.dumps(said) + "\n"
        if _text(self.stubs / NOTE) != text:
            _replace(self.stubs / NOTE, text)


def governed(folder: Path) -> bool:
    """Whether stubs beside the DAG files of a folder make the DAGs of the specs."""
    return (folder / STUBS / NOTE).is_file()


def origin_of(stub: Path) -> Origin | None:
    """The project of a stub; none for a file that is none."""
    note = stub.parents[1] / NOTE
    if (text := _text(note)) is None:
        return None
    said = json.loads(text)
    project = Path(os.path.normpath(note.parent / said["project"]))
    return Origin(project, Path(said.get("config", project / "config")))


def _found(folder: Path) -> Iterator[PurePosixPath]:
    """The stubs that are there."""
    for kind in ("datasets", "models", "project"):
        with contextlib.suppress(FileNotFoundError), os.scandir(folder / kind) as entries:
            yield from (PurePosixPath(kind, one.name) for one in entries if _is_stub(one.name))


def _is_stub(name: str) -> bool:
    return name.endswith(".py") and not name.startswith(".")


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _replace(path: Path, text: str) -> None:
    """Put a file in its place whole: a reader sees the one before or this one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, fresh = tempfile.mkstemp(prefix=".", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(fresh).chmod(0o644)
        Path(fresh).replace(path)
    except OSError:
        Path(fresh).unlink(missing_ok=True)
        raise
