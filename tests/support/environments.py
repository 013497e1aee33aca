"""Virtual environments made without a network: the project's libraries, and before them some of their own."""

from __future__ import annotations

import sys
import sysconfig
import venv
from pathlib import Path


def make_environment(folder: Path, *, project: bool = True, **modules: str) -> Path:
    """An environment; returns its interpreter.

    :param project: whether it sees the libraries of the project's own environment
    :param modules: single-file libraries installed in it, by name
    """
    venv.create(folder, symlinks=True, with_pip=False)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "lib" / version / "site-packages"
    if project:
        # As a line of its own the folder's own .pth files would not be read.
        site = sysconfig.get_path("purelib")
        (packages / "project.pth").write_text(f"import site; site.addsitedir({site!r})\n")
    for name, text in modules.items():
        (packages / f"{name}.py").write_text(text)
    return folder / "bin" / "python"


def library_environment(folder: Path) -> Path:
    """An environment with every library of the project's own but Airloop; returns its interpreter.

    Its site-packages hold links, so nothing is downloaded, versions are those of the lock, and a wheel that is
    installed here is the only Airloop: the project's editable install is left out.
    """
    python = make_environment(folder, project=False)
    packages = next((folder / "lib").glob("python*/site-packages"))
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if path.suffix != ".pth" and not path.name.startswith("airloop"):
            (packages / path.name).symlink_to(path)
    return python
