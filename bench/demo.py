"""`make demo` from a bare clone, and its own chapters of that.

The clone is a fresh one in a scratch folder; the package manager's own cache is what the machine has.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.sides import timed
from tests.support.checkout import ROOT


def measure(short: bool = False) -> dict[str, object]:
    """Minutes of it all, and of the demo's own chapters.

    :param short: only that a clone can be made and knows the target: the demo itself is a test of its own
    """
    env = foreign(os.environ)
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as scratch:
        clone = Path(scratch) / "airloop"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        if short:
            subprocess.run(["make", "-n", "demo"], cwd=clone, env=env, check=True)
            return {"values": {}, "notes": ["only looked at"]}
        try:
            report, side = timed(lambda: _demo(clone, env))
        finally:
            subprocess.run(["make", "-s", "down"], cwd=clone, env=env, check=False)
    return {
        "values": {
            "minutes": side.wall / 60,
            "story": report["total_seconds"] / 60,
            "failed": report["failed_requests"],
        },
        "sides": {"in all": side.shown() | {"cpu": None, "peak_mb": None}},
        "notes": [f"{report['requests']:,} requests"],
        "chapters": {step["name"]: step["seconds"] for step in report["steps"]},
    }


def foreign(environment: Mapping[str, str]) -> dict[str, str]:
    """What a person has who just cloned it: nothing that leads to this checkout."""
    return {
        key: value
        for key, value in environment.items()
        if not key.startswith("AIRLOOP") and key not in {"PYTHONPATH", "VIRTUAL_ENV"}
    }


def _demo(clone: Path, env: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        ["make", "demo"], cwd=clone, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stdout[-3000:] + done.stderr[-3000:])
    found: dict[str, Any] = json.loads((clone / ".airloop" / "demo-report.json").read_text())
    return found
