"""`airloop new`: a project is there whole, or not at all."""

from __future__ import annotations

import importlib.util
import keyword
import re
import shutil
import tempfile
from pathlib import Path

from airloop import paths
from airloop.errors import RequestError, StorageFullError
from airloop.projects.installation import EXAMPLES
from airloop.projects.template import Origin, project_files


def create(target: Path, *, example: str | None = None) -> Path:
    """Make a project in a folder that is empty, or not there yet.

    :param example: which of the packaged projects it brings; none for an empty one
    :raises RequestError: if the folder holds something, lies in another project, or has a name that is no package's
    :raises StorageFullError: if the file system refuses
    """
    folder = target.absolute()
    _refuse(folder, example)
    package = example or _package(folder.resolve().name)
    origin = Origin(name=folder.resolve().name, package=package, example=example)
    found = project_files(origin)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".airloop-new-", dir=folder.parent) as beside:
            stage = Path(beside) / "project"
            for path, content in found.items():
                file = stage / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            _publish(stage, folder)
    except OSError as error:
        raise StorageFullError(
            "the project cannot be written",
            value=error.strerror,
            where=str(folder),
            remedy="free space there, or name a folder you may write to",
        ) from error
    return folder


def _publish(stage: Path, folder: Path) -> None:
    """One rename; into a folder that is there already, one an entry, with what makes it a project as the last."""
    if not folder.exists():
        stage.rename(folder)
        return
    moved: list[Path] = []
    entries = sorted(stage.iterdir(), key=lambda entry: entry.name == paths.MARKER.parts[0])
    try:
        moved.extend(entry.rename(folder / entry.name) for entry in entries)
    except OSError:
        for path in moved:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise


def _refuse(folder: Path, example: str | None) -> None:
    if example is not None and example not in EXAMPLES:
        raise RequestError("there is no such example", value=example, valid=EXAMPLES)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RequestError(
            "a new project needs an empty folder",
            value=str(folder),
            remedy="name one that is empty or not there yet",
        )
    for above in folder.resolve().parents:
        if (above / paths.MARKER).is_file():
            raise RequestError(
                "the folder lies in another project: two would be in reach",
                value=str(folder),
                where=str(above),
                remedy="name a folder outside of it",
            )


def _package(name: str) -> str:
    """The name of the project's package below ``include/``, from the folder's name.

    :raises RequestError: if it can be none, or is that of a module which would hide it
    """
    package = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower()
    if not package.isidentifier() or keyword.iskeyword(package):
        what = "the folder's name can be no name of a package"
    elif importlib.util.find_spec(package) is not None:
        what = f"the folder's name would hide the installed module {package}"
    else:
        return package
    raise RequestError(what, value=name, remedy="begin it with a letter, and make it your own")
