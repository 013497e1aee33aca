"""Where the project is: the folder with ``config/``, ``dags/`` and ``include/`` that a person works in.

Only the command line looks for it (:func:`enter`), and notes in the environment what it found. All else is told:
daemons by whoever starts them, a step by its operator. So nothing that runs unattended depends on a working directory.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from airloop.errors import RequestError, SpecError
from airloop.textfile import is_written

#: The project's folder.
PROJECT = "AIRLOOP_PROJECT"
#: The digest of the project that a step was begun with.
DIGEST = "AIRLOOP_PROJECT_DIGEST"
#: The file that makes a folder a project.
MARKER = Path("config", "airloop.yaml")
#: What a project's answers depend on.
_CODE = ("config", "include")
#: What they do not: what is applied to a cluster, and Airloop itself, where the project is a checkout of it.
_APART = (Path("config", "kubernetes"), Path("include", "airloop"))
#: A file beyond this is neither a spec nor code, and counts by its size.
_LARGE = 1 << 30
#: A line of YAML that names an image. The image holds the project, so none can know in it what it will be called.
_IMAGE = re.compile(rb"^[ \t]*(?:- )?[\"']?image[\"']?:.*$", re.MULTILINE)


def enter() -> Path:
    """Find the project for a person at a terminal and name it to this process and its children.

    ``AIRLOOP_PROJECT``, else the nearest parent of the working directory that holds ``config/airloop.yaml``.

    :raises RequestError: if there is none, or a second one lies around the first
    """
    named = os.environ.get(PROJECT)
    found = Path(named) if named else _nearest(Path.cwd())
    if not is_project(found):
        raise RequestError(
            "this folder is no Airloop project: it has no config/airloop.yaml",
            value=str(found),
            where=PROJECT if named else "the working directory",
            remedy="make one with `airloop new DIR`, or name one by AIRLOOP_PROJECT",
        )
    return name(found.resolve())


def name(project: Path) -> Path:
    """Name the project to this process and its children."""
    os.environ[PROJECT] = str(project)
    return project


def root() -> Path:
    """The project's folder, as this process was told.

    :raises SpecError: if nobody told it
    """
    named = os.environ.get(PROJECT)
    if not named:
        raise SpecError(
            "this process was told of no project",
            where=f"the variable {PROJECT}",
            remedy="set it to the folder that holds config/, dags/ and include/",
        )
    return Path(named)


def known() -> Path | None:
    """The project's folder where this process was told of one."""
    return root() if os.environ.get(PROJECT) else None


def config_folder() -> Path:
    """The folder of the YAML files: ``AIRLOOP_CONFIG``, or the project's ``config/``."""
    named = os.environ.get("AIRLOOP_CONFIG")
    return Path(named) if named else root() / "config"


def home_folder() -> Path:
    """The folder of all state: ``AIRLOOP_HOME``, or the project's ``.airloop/``."""
    named = os.environ.get("AIRLOOP_HOME")
    return (Path(named) if named else root() / ".airloop").absolute()


def dags_folder() -> Path:
    """The project's DAG files."""
    return root() / "dags"


def code_folder() -> Path:
    """The project's ``include/``: what a model's ``module`` is a dotted name below."""
    return root() / "include"


def put_on_path() -> None:
    """Let this process import the project's modules, after all that is installed.

    Called by steps and by the service alone. Put last, so that a project's module never stands for a library.
    """
    if (folder := str(code_folder())) not in sys.path:
        sys.path.append(folder)


def is_project(folder: Path) -> bool:
    """Whether a folder is a project's: it holds the settings' file, be it one that cannot be read."""
    return os.path.lexists(folder / MARKER)


def digest(project: Path) -> str:
    """The sha256 of what a project's answers depend on: its ``config/`` and ``include/``, names and bytes.

    A file that cannot be read counts by its name: it is the concern of who needs it. What an editor leaves beside a
    file counts for nothing, nor does the name of an image.
    """
    total = hashlib.sha256()
    for path in _files(project):
        try:
            content = hashlib.sha256(_lasting(path)).hexdigest()
        except FileNotFoundError:  # removed since the folder was listed
            continue
        except OSError:
            content = "unreadable"
        name = path.relative_to(project).as_posix().encode(errors="surrogateescape")
        total.update(name + f"\0{content}\n".encode())
    return f"sha256:{total.hexdigest()}"


def _lasting(path: Path) -> bytes:
    if (size := path.stat().st_size) > _LARGE:
        return str(size).encode()
    content = path.read_bytes()
    return _IMAGE.sub(b"", content) if path.suffix in {".yaml", ".yml"} else content


def _files(project: Path) -> Iterator[Path]:
    apart = [project / folder for folder in _APART]
    for name in _CODE:
        for path in sorted((project / name).rglob("*")):
            if "__pycache__" in path.parts or any(path.is_relative_to(one) for one in apart):
                continue
            if is_written(path) and _is_file(path):
                yield path


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _nearest(start: Path) -> Path:
    """The one project around a folder; the folder itself where there is none.

    :raises RequestError: if there are two, one in the other
    """
    found = [folder for folder in (start, *start.parents) if is_project(folder)]
    if len(found) > 1:
        raise RequestError(
            "two projects are in reach, one in the other",
            value=f"{found[0]} and {found[1]}",
            where="the working directory",
            remedy=f"name the one that is meant by {PROJECT}",
        )
    return found[0] if found else start
