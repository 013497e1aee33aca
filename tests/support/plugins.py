"""Distributions from elsewhere, as an installer would leave them in a folder on the path."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from airloop.plugins import registry, trainer


def install(
    folder: Path,
    name: str,
    entries: Mapping[str, Mapping[str, str]],
    modules: Mapping[str, str],
    version: str = "1.0",
    requires: Sequence[str] = (),
) -> None:
    """Write a distribution's metadata and modules.

    :param entries: by group, each name with what it stands for
    :param requires: its requirements, as pip writes them
    """
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    told = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {one}" for one in requires)]
    (info / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *told, ""]))
    lines = [
        line
        for group, named in entries.items()
        for line in (f"[{group}]", *(f"{key} = {value}" for key, value in named.items()), "")
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))
    for module, text in modules.items():
        (folder / f"{module}.py").write_text(text)


@contextmanager
def on_path(*folders: Path) -> Iterator[None]:
    """Let this process find what lies in the folders, as long as the block lasts; then no module of theirs is left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*map(str, reversed(folders)), *sys.path])
        _look_again()
        forget()
        yield
    for name, module in list(sys.modules.items()):
        if Path(getattr(module, "__file__", None) or "/").parent in folders:
            del sys.modules[name]
    forget()


def _look_again() -> None:
    """Drop what the import system knows of folders; a thread that imports meanwhile disturbs it."""
    for _ in range(100):
        try:
            importlib.invalidate_caches()
        except RuntimeError:
            time.sleep(0.01)
        else:
            return


def forget() -> None:
    """Look again at what is installed."""
    registry.forget()
    trainer.files_of_all.cache_clear()
