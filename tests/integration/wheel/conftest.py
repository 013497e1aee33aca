"""One environment into which the wheel of this checkout is installed, for all tests of this folder."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from tests.support.environments import library_environment

UV = Path(sys.executable).parent / "uv"


@dataclass(frozen=True)
class Wheel:
    """The built distributions and an interpreter that has one of them."""

    files: dict[str, Path]
    python: Path

    def run(
        self, *arguments: str, cwd: Path, project: Path | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run this interpreter where nothing of the checkout is in reach."""
        told = {"AIRLOOP_PROJECT": str(project)} if project else {}
        kept = {
            key: os.environ[key]
            for key in ("PATH", "HOME", "LANG", "AIRLOOP_STEP_KEY")
            if key in os.environ
        }
        return subprocess.run(
            [self.python, "-W", "ignore", *arguments],
            cwd=cwd,
            env=kept | told | env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


def uv(*arguments: object) -> None:
    """Without a network: what is needed is there by the lock."""
    done = subprocess.run([UV, *map(str, arguments), "--offline", "--quiet"], cwd=ROOT, check=False)
    assert done.returncode == 0


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Wheel:
    """What `make dist` builds, and an environment of its own with it."""
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder / "dist")
    files = {path.suffix: path for path in (folder / "dist").glob("airloop-*")}
    python = library_environment(folder / "env")
    uv("pip", "install", "--python", python, "--no-deps", "--no-index", files[".whl"])
    return Wheel(files, python)
