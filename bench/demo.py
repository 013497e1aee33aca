"""`make demo` from a bare clone, and again with the environment there.

The clone is a fresh one in a scratch folder; the package manager's own cache is what the machine has. ``python -m
bench.demo`` prints the figures as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support.checkout import ROOT

MINUTES_BARE, MINUTES_WARM = 7, 4


def measure() -> dict[str, object]:
    """Seconds of both, the second one's by chapter, and what the reports say."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("AIRLOOP")}
    with tempfile.TemporaryDirectory(prefix="airloop-bench-") as scratch:
        clone = Path(scratch) / "airloop"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        try:
            bare = _demo(clone, env)
            warm = _demo(clone, env)
        finally:
            subprocess.run(["make", "-s", "down"], cwd=clone, env=env, check=False)
    return {
        "bare_seconds": bare["wall"],
        "warm_seconds": warm["wall"],
        "chapters": {step["name"]: step["seconds"] for step in warm["steps"]},
        "requests": warm["requests"],
        "failed_requests": bare["failed_requests"] + warm["failed_requests"],
        "met": bare["wall"] <= 60 * MINUTES_BARE and warm["wall"] <= 60 * MINUTES_WARM,
    }


def _demo(clone: Path, env: dict[str, str]) -> dict[str, Any]:
    began = time.monotonic()
    done = subprocess.run(
        ["make", "demo"], cwd=clone, env=env, capture_output=True, text=True, check=False
    )
    wall = time.monotonic() - began
    if done.returncode:
        raise RuntimeError(done.stdout[-3000:] + done.stderr[-3000:])
    found: dict[str, Any] = json.loads((clone / ".airloop" / "demo-report.json").read_text())
    return found | {"wall": wall}


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
