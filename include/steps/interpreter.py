"""The interpreter of a model's own environment, asked whether a step can run in it before one is sent there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from include.errors import SpecError, TransientError
from include.settings import ROOT

#: The oldest Python that reads Airloop's code.
OLDEST = (3, 11)
#: Seconds in which an interpreter must have said what it is.
PATIENCE = 60.0
_WHERE = "the model's environment.python"
_QUESTION = """
import importlib.metadata, json, sys
missing = []
for name in sys.argv[1:]:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        missing.append(name)
print(json.dumps({"version": sys.version_info[:2], "missing": missing}))
"""


def check_interpreter(python: str) -> None:
    """Make sure that this interpreter can run a step.

    :raises SpecError: if it is not there, may not be run, is no Python or an old one, or lacks libraries of Airloop
    :raises TransientError: if it does not answer in time
    """
    path = Path(python)
    if not path.is_file():
        raise _error(
            "there is no such Python interpreter",
            python,
            "create the environment, or correct the path",
        )
    if not os.access(path, os.X_OK):
        raise _error("the Python interpreter may not be run", python, f"chmod +x {python}")
    answer = _ask(python)
    version = ".".join(map(str, answer["version"]))
    if tuple(answer["version"]) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        what = f"the interpreter is a Python {version}, steps need {oldest} or newer"
        raise _error(what, python, f"make the environment with Python {oldest}")
    if missing := answer["missing"]:
        raise _error(
            f"the environment lacks libraries that every step needs: {', '.join(missing)}",
            python,
            f"{python} -m pip install -r requirements.lock, then the model's own libraries",
        )


@cache
def requirements() -> tuple[str, ...]:
    """The libraries that a step needs wherever it runs; empty where the project file is not deployed."""
    path = ROOT / "pyproject.toml"
    if not path.exists():
        return ()
    listed = tomllib.loads(path.read_text(encoding="utf-8"))["project"]["dependencies"]
    return tuple(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in listed)


def _ask(python: str) -> dict[str, Any]:
    command = [python, "-c", _QUESTION, *requirements()]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=ROOT
        )
        answer: dict[str, Any] = json.loads(done.stdout)
        if done.returncode or not {"version", "missing"} <= answer.keys():
            raise ValueError(done.stderr)
    except subprocess.TimeoutExpired:
        raise TransientError(
            "the Python interpreter does not answer", value=python, where=_WHERE
        ) from None
    except (OSError, ValueError, AttributeError):
        raise _error(
            "this program is no Python interpreter that works", python, "correct the path"
        ) from None
    return answer


def _error(what: str, python: str, remedy: str) -> SpecError:
    return SpecError(what, value=python, where=_WHERE, remedy=remedy)
