"""`make bench`: each bench in a process of its own, each row printed and kept as soon as it is known.

``python -m bench`` runs all, ``python -m bench gx drift`` those alone. Figures and table lie in ``.airloop/bench``;
``--docs`` carries the figures that lie there into docs/benchmarks.json and the table of docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from bench import machine
from bench.apart import BrokenError, MissingError, call
from bench.catalogue import ROWS
from bench.row import SEED, State
from bench.table import HEAD, foot, line, render
from tests.support.checkout import ROOT

FIGURES = ROOT / "docs" / "benchmarks.json"
PAGE = ROOT / "docs" / "benchmarks.md"


def main(arguments: list[str]) -> int:
    """Run and keep, or write the page; exit code 1 if a bench broke (a missed target is not broken, it is shown)."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--short", action="store_true", help="small sizes: does it work at all?")
    parser.add_argument("--docs", action="store_true", help="write the page from what was measured")
    parser.add_argument("--folder", type=Path, default=ROOT / ".airloop" / "bench")
    asked = parser.parse_args(arguments)
    if unknown := sorted(set(asked.rows) - set(ROWS)):
        parser.error(f"no such row: {', '.join(unknown)}; there are {', '.join(ROWS)}")
    if asked.docs:
        return _write_page(asked.folder)
    return _measure(asked.rows or list(ROWS), asked.folder, short=asked.short)


def _measure(names: list[str], folder: Path, *, short: bool) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    store, table = folder / "figures.json", folder / "table.md"
    figures = json.loads(store.read_text(encoding="utf-8")) if store.exists() else {}
    table.write_text("", encoding="utf-8")

    def say(text: str) -> None:
        print(text, flush=True)
        with table.open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")

    say(f"{machine.now()}, commit {machine.commit()}, seed {SEED}, {machine.cores()}")
    say(f"load {machine.load()}; {machine.versions()}{'; short sizes' if short else ''}\n\n{HEAD}")
    for name in names:
        figures[name] = run(name, short=short)
        say(line(name, figures[name]))
        if figures[name]["state"] == State.BROKEN:
            sys.stderr.write(figures[name]["why"] + "\n")
        store.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", "utf-8")
    say("\n".join(foot({name: figures[name] for name in names})))
    return int(any(figures[name]["state"] == State.BROKEN for name in names))


def run(name: str, *, short: bool) -> dict[str, Any]:
    """One row, whatever becomes of it: its figures or why there are none, and on what it was measured."""
    kept: dict[str, Any] = {
        "load": machine.load(),
        "at": machine.now(),
        "commit": machine.commit(),
        "cores": machine.cores(),
        "versions": machine.versions(),
        "short": short,
    }
    began = time.monotonic()
    try:
        row = ROWS[name]
        figures = call(
            f"bench.{name}:measure", limit=row.limit_seconds * machine.slowness(), short=short
        )
        kept |= {"figures": figures, "state": row.state(figures)}
    except MissingError as error:
        kept |= {"state": State.MISSING, "why": str(error)}
    except BrokenError as error:
        kept |= {"state": State.BROKEN, "why": str(error)}
    return kept | {"took": time.monotonic() - began}


def _write_page(folder: Path) -> int:
    """Full sizes only: what was measured in a short form is no figure for a page."""
    store = folder / "figures.json"
    if not store.exists():
        sys.stderr.write(f"nothing was measured yet ({store}): make bench\n")
        return 2
    kept = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    new = json.loads(store.read_text(encoding="utf-8"))
    kept |= {name: one for name, one in new.items() if name in ROWS and not one["short"]}
    kept = {name: kept[name] for name in ROWS if name in kept}
    FIGURES.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(render(kept, PAGE), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
