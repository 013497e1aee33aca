"""A skops file without what differs from one saving to the next: times, memory addresses and random names.

Three equal trainings then give the same bytes, and a digest says whether two models are the same.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any, Final

_SCHEMA: Final = "schema.json"
#: The first moment that a zip can name.
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def settle(path: Path) -> None:
    """Rewrite a skops file: objects are numbered and its members named in the order in which its schema names them."""
    scratch = path.with_suffix(".part")
    with zipfile.ZipFile(path) as given, zipfile.ZipFile(scratch, "w") as settled:
        names: dict[str, str] = {}
        schema = _settled(json.loads(given.read(_SCHEMA)), {}, names)
        for name, settled_name in names.items():
            settled.writestr(zipfile.ZipInfo(settled_name, _EPOCH), given.read(name))
        settled.writestr(zipfile.ZipInfo(_SCHEMA, _EPOCH), json.dumps(schema, indent=2))
    scratch.replace(path)


def _settled(node: Any, ids: dict[int, int], names: dict[str, str]) -> Any:
    if isinstance(node, list):
        return [_settled(one, ids, names) for one in node]
    if not isinstance(node, dict):
        return node
    found: dict[str, Any] = {}
    for key, value in node.items():
        if key == "__id__" and isinstance(value, int):
            found[key] = ids.setdefault(value, len(ids) + 1)
        elif key == "file" and isinstance(value, str) and "__loader__" in node:
            found[key] = names.setdefault(value, f"{len(names) + 1}{Path(value).suffix}")
        else:
            found[key] = _settled(value, ids, names)
    return found
