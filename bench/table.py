"""The table: a line a row, as it is known so far; the generated section of docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.catalogue import ROWS
from bench.row import SEED, State
from bench.section import marks, placed

#: What stands between these is written by `make bench-docs`; the rest of the page is written by people.
BEGIN, END = marks("bench")
HEAD = (
    "| row | what | against | target | measured | verdict | load | took | when, commit |\n"
    "|---|---|---|---|---|---|---|---|---|"
)

#: What is kept of a row: its state, its figures or why there are none, and what it was measured on.
Kept = Mapping[str, Any]


def line(name: str, kept: Kept | None) -> str:
    """One row of the table."""
    row = ROWS[name]
    target = "; ".join(one.told() for one in row.targets)
    measured, state, where = "not yet", "-", ("-", "-", "-")
    if kept is not None:
        figures = kept.get("figures")
        measured = row.measured(figures) if figures else _short(kept["why"])
        state = str(row.state(figures) if figures else State(kept["state"]))
        where = (kept["load"], f"{kept['took']:.0f} s", f"{kept['at']}, {kept['commit']}")
    cells = (f"`{name}`", row.what, row.against, target, measured, state, *where)
    return "| " + " | ".join(cells) + " |"


def foot(figures: Mapping[str, Kept]) -> list[str]:
    """What all rows share: the machine, the seed, the versions."""
    machines = sorted({kept["cores"] for kept in figures.values()})
    versions = sorted({kept["versions"] for kept in figures.values()})
    return [
        "",
        "Load: the load average of the last minute and of the last five as the row began.",
        f"Seed {SEED}. Measured on: {'; '.join(machines) or '-'}.",
        *(f"Versions: {one}." for one in versions),
    ]


def render(figures: Mapping[str, Kept], page: Path) -> str:
    """The page with its table replaced."""
    lines = [HEAD, *(line(name, figures.get(name)) for name in ROWS), *foot(figures)]
    return placed(page.read_text(encoding="utf-8"), "bench", "\n".join(lines))


def _short(why: str) -> str:
    """The last line of what a broken bench wrote, fit for a cell."""
    last = [one for one in why.strip().splitlines() if one.strip()][-1:]
    return (last[0] if last else "it ended without a word").replace("|", "/")[:200]
