"""The files of the Airloop that runs: where they lie, whether there are no others, what is packaged with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import airloop
from airloop.errors import PermanentError

#: The distribution's name.
NAME = "airloop"
#: The projects that ``airloop new --example`` can bring.
EXAMPLES = ("flights",)
#: What of a checkout is its project, in the wheel's own names for it (pyproject.toml, force-include).
_EXAMPLE = ("config", "dags/loop.py", "include/flights")


def package_folder() -> Path:
    """The folder of the package that this process imported."""
    return Path(airloop.__file__).resolve().parent


def refuse_two() -> None:
    """Stop where two Airloops are in one environment: a wheel beside a checkout, and who knows which one runs.

    :raises PermanentError: if so
    """
    here = package_folder()
    homes = {_home(found) for found in metadata.distributions(name=NAME)}
    others = sorted(str(home) for home in homes if not here.is_relative_to(home))
    if others:
        raise PermanentError(
            "two Airloops are in this environment, and only one can be meant",
            value=f"{others[0]}, while Python imports {here}",
            where="the search path of Python",
            remedy="pip uninstall airloop until none is left, look into PYTHONPATH, then install one",
        )


def checkout() -> Path | None:
    """The checkout that an editable install runs from; None for a wheel."""
    for found in metadata.distributions(name=NAME):
        if (root := _editable(found)) is not None and package_folder().is_relative_to(root):
            return root
    return None


def example_files(example: str) -> dict[str, bytes]:
    """The packaged project, by path: this repository's own, in the wheel or in the checkout.

    :raises PermanentError: if this installation has none
    """
    root = checkout() or package_folder() / "examples" / example
    if not (root / "config").is_dir():
        raise PermanentError(
            "this installation lacks the packaged example",
            value=example,
            where=str(root),
            remedy="install Airloop from its wheel, or with `pip install --editable`",
        )
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in _below(root, _EXAMPLE)}


def _below(root: Path, names: tuple[str, ...]) -> Iterator[Path]:
    for name in names:
        path = root / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                yield file


def _home(found: metadata.Distribution) -> Path:
    """Below which folder the package of a distribution lies."""
    return _editable(found) or Path(str(found.locate_file(NAME))).resolve()


def _editable(found: metadata.Distribution) -> Path | None:
    """The folder an editable distribution was installed from, by the note that its installer left (PEP 610)."""
    note = json.loads(found.read_text("direct_url.json") or "{}")
    if not note.get("dir_info", {}).get("editable"):
        return None
    return Path(url2pathname(urlsplit(note["url"]).path)).resolve()
