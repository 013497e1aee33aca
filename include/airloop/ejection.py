"""Which kinds of DAG a project owns: files that ``airloop eject`` copied into its ``dags/``, told by their marker."""

from __future__ import annotations

import hashlib
import os
import re
from importlib.machinery import PathFinder
from pathlib import Path

from airloop import __version__
from airloop.errors import PermanentError, RequestError, SpecError
from airloop.textfile import is_there, read_text

#: The DAG files that Airloop packages, in the order of the loop.
KINDS = ("ingest", "train", "deploy", "monitor", "score")
#: The line by which an ejected file is known; behind it the version and digest of what was copied.
MARKER = re.compile(
    r"^# airloop-ejected: (?P<kind>[a-z]+) (?P<version>\S+) (?P<digest>sha256:[0-9a-f]{64})$", re.M
)


def owned(folder: Path) -> dict[str, Path]:
    """The kinds that a project's DAG folder holds a file of its own for.

    :raises SpecError: if a file bears a kind's name but not its marker: both would build the same DAGs; or cannot be read
    """
    found = {}
    for kind in KINDS:
        path = folder / f"{kind}.py"
        if not is_there(path):
            continue
        marker = MARKER.search(read_text(path))
        if marker is None or marker["kind"] != kind:
            raise SpecError(
                "the file bears the name of a packaged DAG file but not the marker of an ejected one",
                where=str(path),
                remedy=f"rename it, or make it anew by `airloop eject {kind}`",
            )
        found[kind] = path
    return found


def eject(kind: str, folder: Path) -> Path:
    """Copy a packaged DAG file into a project's DAG folder, which owns that kind from then on; returns the copy.

    :raises RequestError: if there is no such kind, or a file of its name
    """
    if kind not in KINDS:
        raise RequestError("there is no such kind of DAG", value=kind, valid=KINDS)
    path, fresh = folder / f"{kind}.py", folder / f".{kind}.py.new"
    fresh.write_text(_copy(kind), encoding="utf-8")
    try:
        # Unlike a rename, a link never replaces what somebody put there.
        os.link(fresh, path)
    except FileExistsError:
        raise RequestError(
            "the file is there already",
            value=str(path),
            remedy="edit it, or move it away to begin again from the packaged one",
        ) from None
    finally:
        fresh.unlink()
    return path


def packaged(kind: str) -> str:
    """The text of a packaged DAG file. The package is found and not imported: that would take Airflow.

    :raises PermanentError: if this installation has no DAG files
    """
    found = PathFinder.find_spec("airloop_dags")
    places = list(found.submodule_search_locations or ()) if found else []
    if not places:
        raise PermanentError(
            "this installation has no DAG files",
            where="Python's search path",
            remedy="install the wheel",
        )
    return (Path(places[0]) / f"{kind}.py").read_text(encoding="utf-8")


def _copy(kind: str) -> str:
    """The packaged text with its marker on top, and at its end the call that builds the project's DAGs."""
    text = packaged(kind)
    digest = hashlib.sha256(text.encode()).hexdigest()
    marker = f"# airloop-ejected: {kind} {__version__} sha256:{digest}\n"
    body = text.replace(
        "\nfrom airloop_operators.", "\nfrom airloop_dags import each\nfrom airloop_operators.", 1
    )
    return f'{marker}{body}\n\nfor specs in each("{kind}"):\n    build(*specs)\n'
