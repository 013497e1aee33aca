"""The real stack, started once for this folder's tests as a user starts it: `airloop up`, in a home of its own.

Its config is the project's, with a small window and a small model: the loop is the same, the figures are not.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.cli.airflow import Airflow
from include.cli.stack.processes import MARK
from include.settings import ROOT, Settings, load_settings

AIRLOOP = str(Path(sys.executable).parent / "airloop")


@dataclass(frozen=True)
class Stack:
    """The running stack."""

    home: Path
    env: dict[str, str]

    def airloop(self, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """The command line, as a person calls it."""
        return subprocess.run(
            [AIRLOOP, *arguments],
            env=self.env,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def status(self) -> dict[str, dict[str, Any]]:
        """What `airloop status --json` says, by component."""
        shown = self.airloop("status", "--json")
        return {part["name"]: part for part in json.loads(shown.stdout)["components"]}

    def processes(self) -> list[int]:
        """Every living process that carries this stack's mark."""
        mark = f"{MARK}={(self.home / 'secrets' / 'stack_id').read_text().strip()}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
        return found


def small_config(folder: Path) -> Path:
    """The project's config with six days to train on and hold out, and a model of a second."""
    shutil.copytree(ROOT / "config", folder)
    path = folder / "models" / "flight_delay.yaml"
    spec = yaml.safe_load(path.read_text(encoding="utf-8"))
    spec["training"] |= {"window_days": 6, "holdout_days": 2, "params": {"max_iter": 30}}
    spec["gates"] |= {"absolute": {"roc_auc": {"min": 0.5}}, "baseline_margin": 0.0}
    path.write_text(yaml.safe_dump(spec), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Up for the session; whatever the tests did to it, nothing of it stays."""
    root = tmp_path_factory.mktemp("stack")
    home = root / "home"
    # Coverage's own switches would slow every daemon down.
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("COV")}
    env = inherited | {
        "AIRLOOP_HOME": str(home),
        "AIRLOOP_CONFIG": str(small_config(root / "config")),
    }
    running = Stack(home, env)
    started = running.airloop("up")
    try:
        assert started.returncode == 0, started.stderr
        yield running
    finally:
        running.airloop("down")


@pytest.fixture
def settings(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The stack's settings, in this process too."""
    for name in ("AIRLOOP_HOME", "AIRLOOP_CONFIG"):
        monkeypatch.setenv(name, stack.env[name])
    load_settings.cache_clear()
    yield load_settings()
    load_settings.cache_clear()


@pytest.fixture
def airflow(settings: Settings) -> Iterator[Airflow]:
    """Airflow's REST API, signed in."""
    with Airflow.connect(settings) as client:
        yield client
