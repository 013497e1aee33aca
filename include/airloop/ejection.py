"""Which kinds of DAG a project owns: files that ``airloop eject`` copied into its ``dags/``, told by their marker."""

from __future__ import annotations

import re
from pathlib import Path

from airloop.errors import SpecError

#: The DAG files that Airloop packages, in the order of the loop.
KINDS = ("ingest", "train", "deploy", "monitor", "score")
#: The line by which an ejected file is known; behind it the version and digest of what was copied.
MARKER = re.compile(
    r"^# airloop-ejected: (?P<kind>[a-z]+) (?P<version>\S+) (?P<digest>sha256:[0-9a-f]{64})$", re.M
)


def owned(folder: Path) -> dict[str, Path]:
    """The kinds that a project's DAG folder holds a file of its own for.

    :raises SpecError: if a file bears a kind's name but not its marker: both would build the same DAGs
    """
    found = {}
    for kind in KINDS:
        path = folder / f"{kind}.py"
        if not path.exists():
            continue
        marker = MARKER.search(path.read_text(encoding="utf-8"))
        if marker is None or marker["kind"] != kind:
            raise SpecError(
                "the file bears the name of a packaged DAG file but not the marker of an ejected one",
                where=str(path),
                remedy=f"rename it, or make it anew by `airloop eject {kind}`",
            )
        found[kind] = path
    return found
