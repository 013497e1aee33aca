"""Where a model comes from: the code's revision, the locked environment, the libraries that matter."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from airloop.paths import root

#: The libraries whose version changes what a stored model answers or how it is read.
LIBRARIES = (
    *(
        "catboost",
        "lightgbm",
        "numpy",
        "onnxruntime",
        "pandas",
        "safetensors",
        "scikit-learn",
        "skl2onnx",
        "skops",
        "torch",
        "xgboost",
        "xgboost-cpu",
    ),
)
LOCK = "requirements.lock"


@cache
def git_revision() -> str | None:
    """The project's commit, with ``-dirty`` where tracked files differ.

    An image has no repository: there it is what the image was built with, ``AIRLOOP_REVISION``. None where neither says.
    """
    try:
        commit = _git("rev-parse", "HEAD")
        dirty = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return os.environ.get("AIRLOOP_REVISION") or None
    return f"{commit}-dirty" if dirty else commit


@cache
def lock_digest() -> str | None:
    """The sha256 of the project's ``requirements.lock``; None where it has none."""
    path = root() / LOCK
    if not path.exists():
        return None
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def library_versions() -> dict[str, str]:
    """The versions of :data:`LIBRARIES`, of those that are installed."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def drifted(python: str | None, libraries: Mapping[str, str]) -> str:
    """What of the interpreter and the libraries is not what a model was made with; empty if all is.

    A patch release of Python is no difference. Whether an answer depends on one, the model's examples show.
    """
    now = {"Python": _minor(platform.python_version()), **library_versions()}
    then = {**({"Python": _minor(python)} if python else {}), **libraries}
    told = (
        f"{name} {number}, here {now.get(name, 'missing')}"
        for name, number in sorted(then.items())
        if now.get(name) != number
    )
    return "; ".join(told)


def _minor(number: str) -> str:
    return ".".join(number.split(".")[:2])


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=root(), capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout.strip()
