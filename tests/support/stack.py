"""The real stack as a user has it: `airloop up` in a home of its own, asked by the command line."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from airloop.devstack.processes import MARK
from tests.support.checkout import ROOT

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

    @contextmanager
    def up(self) -> Iterator[None]:
        """Running, and down at the end. Of two workers' stacks one waits: starting together, they would choose the same ports."""
        with Path(tempfile.gettempdir(), f"airloop-stack-{os.getuid()}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            started = self.airloop("up")
            try:
                assert started.returncode == 0, started.stderr
                yield
            finally:
                self.airloop("down")

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


def small_config(folder: Path, **changes: dict[str, Any]) -> Path:
    """The project's config with six days to train on and hold out, and a model of a second.

    :param changes: of the model's spec, by section
    """
    shutil.copytree(ROOT / "config", folder)
    path = folder / "models" / "flight_delay.yaml"
    spec = yaml.safe_load(path.read_text(encoding="utf-8"))
    spec["training"] |= {"window_days": 6, "holdout_days": 2, "params": {"max_iter": 30}}
    spec["gates"] |= {"absolute": {"roc_auc": {"min": 0.5}}, "baseline_margin": 0.0}
    for section, keys in changes.items():
        spec[section] |= keys
    path.write_text(yaml.safe_dump(spec), encoding="utf-8")
    return folder
