"""`make bench`: each bench in a process of its own, its figures kept, the table of docs/benchmarks.md written anew.

``python -m bench`` runs all; ``python -m bench gx drift`` those alone, and keeps the others' last figures.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from bench.table import ROWS, render
from tests.support.checkout import ROOT

FIGURES = ROOT / "docs" / "benchmarks.json"
PAGE = ROOT / "docs" / "benchmarks.md"


def main(names: list[str]) -> int:
    """Run, keep, render; exit code 1 if a bench broke (a missed target is not broken, it is shown)."""
    unknown = set(names) - set(ROWS)
    if unknown:
        sys.stderr.write(f"no such bench: {', '.join(unknown)}; there are {', '.join(ROWS)}\n")
        return 2
    figures = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    console, broken = Console(), 0
    for name in names or list(ROWS):
        with console.status(f"{name}: {ROWS[name].what}"):
            began = time.monotonic()
            found = _run(name)
        seconds = time.monotonic() - began
        if found is None:
            broken += 1
            console.print(f"[red]✗[/] {name} broke after {seconds:.0f} s")
            continue
        figures[name] = found | {
            "measured_at": f"{datetime.now(UTC):%Y-%m-%d}",
            "machine": _machine(),
        }
        console.print(f"[green]✓[/] {name} ({seconds:.0f} s): {ROWS[name].measured(found)}")
        FIGURES.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", "utf-8")
        PAGE.write_text(render(figures, PAGE), "utf-8")
    return 1 if broken else 0


def _run(name: str) -> dict[str, Any] | None:
    """One bench's figures: the JSON it prints."""
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{name}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    start = done.stdout.find("{")
    if done.returncode or start < 0:
        sys.stderr.write(done.stderr[-3000:] + "\n")
        return None
    found: dict[str, Any] = json.loads(done.stdout[start:])
    return found


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cpus = len(os.sched_getaffinity(0))
    return f"{cpus} cores, {memory:.0f} GiB, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
