"""The interpreter of a model's own environment, asked whether a step can run in it before one is sent there."""

from __future__ import annotations

import json
import os
import re
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from airloop.errors import SpecError, TransientError

#: The oldest Python that reads Airloop's code.
OLDEST = (3, 11)
#: Seconds in which an interpreter must have said what it is.
PATIENCE = 60.0
#: Airloop's own distribution.
PACKAGE = "airloop"
_WHERE = "the model's environment.python"
_QUESTION = """
import importlib.metadata, json, sys
found, missing = {}, []
for name in sys.argv[1:]:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        missing.append(name)
print(json.dumps({"version": sys.version_info[:2], "missing": missing, "airloop": found.get("airloop")}))
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
    ours = metadata.version(PACKAGE)
    if missing := answer["missing"]:
        raise _error(
            f"the environment lacks libraries that every step needs: {', '.join(missing)}",
            python,
            f"{python} -m pip install airloop=={ours}, then the model's own libraries",
        )
    if answer["airloop"] != ours:
        what = f"the environment has Airloop {answer['airloop']}, the loop is {ours}"
        raise _error(what, python, f"{python} -m pip install airloop=={ours}")


@cache
def requirements() -> tuple[str, ...]:
    """What a step needs wherever it runs: Airloop itself and the libraries that it requires, its extras left out."""
    listed = [line for line in metadata.requires(PACKAGE) or [] if "extra ==" not in line]
    names = (re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in listed)
    return PACKAGE, *names


def _ask(python: str) -> dict[str, Any]:
    command = [python, "-c", _QUESTION, *requirements()]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        answer: dict[str, Any] = json.loads(done.stdout)
        if done.returncode or not {"version", "missing", "airloop"} <= answer.keys():
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
