"""The real stack as a user has it: `airloop up` in a home of its own, asked by the command line."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
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
    def up(
        self, script: str = "", before: Callable[[], None] = lambda: None
    ) -> Iterator[subprocess.CompletedProcess[str]]:
        """Running, and down at the end. Of two workers' stacks one waits: two at once are too much for two cores.

        :param script: a page's commands that start it, in the folder beside the home; `airloop up` without them
        :param before: what happens to this home before it is brought up
        """
        with Path(tempfile.gettempdir(), f"airloop-stack-{os.getuid()}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before()
            started = self.shell(script) if script else self.airloop("up", timeout=900)
            try:
                assert started.returncode == 0, started.stderr
                yield started
            finally:
                self.airloop("down")

    def shell(self, script: str) -> subprocess.CompletedProcess[str]:
        """A page's commands, in a shell that ends at the first that fails."""
        return subprocess.run(
            ["sh", "-ec", script],
            env=self.env,
            cwd=self.home.parent,
            capture_output=True,
            text=True,
            timeout=570,
            check=False,
        )

    def status(self) -> dict[str, dict[str, Any]]:
        """What `airloop status --json` says, by component."""
        shown = self.airloop("status", "--json")
        return {part["name"]: part for part in json.loads(shown.stdout)["components"]}

    def processes(self) -> list[int]:
        """Every living process that carries this stack's mark; none before a start that came to have one."""
        identity = self.home / "secrets" / "stack_id"
        if not identity.exists():
            return []
        mark = f"{MARK}={identity.read_text().strip()}".encode()
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


def bare_environment(root: Path, config: Path, *programs: Path) -> dict[str, str]:
    """Nothing of this machine's but its programs: no KUBECONFIG, no ~/.kube, no AWS_*.

    :param programs: folders that are looked into first
    """
    folders = [*map(str, programs), str(Path(sys.executable).parent)]
    return {
        "PATH": os.pathsep.join([*folders, "/usr/local/bin", "/usr/bin", "/bin"]),
        "HOME": str(root),
        "AIRLOOP_PROJECT": str(ROOT),
        "AIRLOOP_HOME": str(root / "home"),
        "AIRLOOP_CONFIG": str(config),
    }


def small_config(folder: Path, **changes: dict[str, Any]) -> Path:
    """The project's config with six days to train on and hold out, and a model of a second.

    :param changes: of the model's spec, by section
    """
    shutil.copytree(ROOT / "config", folder)
    path = folder / "models" / "flight_delay.yaml"
    spec = yaml.safe_load(path.read_text(encoding="utf-8"))
    spec["training"] |= {"window_days": 6, "holdout_days": 2, "params": {"max_iter": 30}}
    # Two days tell little of others: with the usual 95 % not even a first model would pass.
    spec["gates"] |= {
        "absolute": {"roc_auc": {"min": 0.5}},
        "baseline_margin": 0.0,
        "confidence": 0.8,
    }
    for section, keys in changes.items():
        spec[section] |= keys
    path.write_text(yaml.safe_dump(spec), encoding="utf-8")
    return folder
