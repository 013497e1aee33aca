"""Tiny wheels in a folder that an installer takes for its index."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path


def wheel(folder: Path, name: str, number: str, text: str, requires: Sequence[str] = ()) -> Path:
    """A wheel of one module of the library's name."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{number}.dist-info"
    needs = "".join(f"Requires-Dist: {line}\n" for line in requires)
    files = {
        f"{name}.py": text,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{info}/RECORD"
    files[record] = "".join(f"{path},,\n" for path in (*files, record))
    path = folder / f"{name}-{number}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, content in files.items():
            archive.writestr(inside, content)
    return path


def unpacked(path: Path, folder: Path) -> Path:
    """A wheel's content, as an installer would lay it out."""
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return folder
