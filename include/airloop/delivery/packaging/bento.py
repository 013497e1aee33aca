"""A Bento: what `bentoml serve`, `bentoml containerize` and BentoCloud take."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from airloop.delivery.packaging import service
from airloop.delivery.packaging.contents import Contents
from airloop.errors import RequestError


def write(of: Contents, target: Path) -> None:
    """Build it by BentoML, in a store of its own, and lay its folder out.

    :raises RequestError: if BentoML is not installed here, or cannot build it
    """
    # Not beside the target: BentoML reads nothing below a folder that is hidden, as unfinished work is.
    with tempfile.TemporaryDirectory(prefix="bento-") as scratch:
        project, home = Path(scratch, "project"), Path(scratch, "home")
        project.mkdir()
        service.put(of, project)
        _describe(of, project / "bentofile.yaml")
        _bentoml(home, project, "build", "--version", str(of.number))
        _bentoml(
            home,
            project,
            "export",
            f"{of.name}:{of.number}",
            str(target / f"{of.name}-{of.number}.bento"),
        )


def _describe(of: Contents, path: Path) -> None:
    described = {
        "service": service.NAMED,
        "name": of.name,
        "description": f"Version {of.number} of the model {of.name}, as it was registered",
        "include": ["service.py", "version/**"],
        # What is named is pinned; what that needs is Airloop's lock's business, not a resolver's of today.
        "python": {"packages": of.needs("serving"), "lock_packages": False},
    }
    path.write_text(yaml.safe_dump(described, sort_keys=False), encoding="utf-8")


def _bentoml(home: Path, folder: Path, *arguments: str) -> None:
    """It reads where its store is when it is imported, and takes only files of its folder: so it has a process of its own."""
    env = {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    done = subprocess.run(
        [sys.executable, "-m", "bentoml", *arguments],
        env=env,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        told = (done.stderr or done.stdout).strip().splitlines()
        raise RequestError(
            f"`bentoml {arguments[0]}` failed",
            value=told[-1] if told else done.returncode,
            remedy="pip install 'airloop[serving]'"
            if "No module named bentoml" in done.stderr
            else "",
        )
