"""The measured part of docs/judgement.md, between its two marks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import machine
from bench.judge.trials import Share
from bench.row import SEED

BEGIN, END = "<!-- judge: begin -->", "<!-- judge: end -->"
WORLDS = {
    "flights": "the demo's boosted trees on 2013's flights, ten days held out; equals differ by their seed, "
    "the others by noise",
    "uneven": "the same, with noise that is stronger on some days than on others",
    "weather": "made-up days of 400 rows, ten held out, on which each model errs in its own way",
}
Kept = Mapping[str, Mapping[str, Any]]


def write(kept: Kept, page: Path) -> None:
    """Put the tables where they belong."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n{render(kept)}\n{END}{after}", encoding="utf-8")


def render(kept: Kept) -> str:
    """Every table, with date, commit and seed."""
    commits = ", ".join(sorted({one["commit"] for one in kept.values()}))
    newest = max((one["at"] for one in kept.values()), default="never")
    lines = [f"Measured {newest} at commit {commits}, seed {SEED}, on {machine.cores()}.", ""]
    for world, told in WORLDS.items():
        lines += _curves(kept, world, told)
    return "\n".join([*lines, *_levels(kept)]).rstrip()


def _curves(kept: Kept, world: str, told: str) -> list[str]:
    found = {name: one for name, one in kept.items() if name.startswith(f"{world}-")}
    if not found:
        return []
    lines = [f"Promoted of challengers on **{world}**: {told}.", ""]
    lines += ["| true gain in AUC | costly | free |", "|---|---|---|"]
    for one in sorted(found.values(), key=lambda part: part["true"]):
        shares = (Share(count, one["trials"]) for count in one["promoted"].values())
        lines.append(f"| {one['true']:+.4f} | {' | '.join(map(str, shares))} |")
    return [*lines, ""]


def _levels(kept: Kept) -> list[str]:
    found = {int(name[6:]): one for name, one in kept.items() if name.startswith("level-")}
    if not found:
        return []
    spans = sorted(found)
    first = found[spans[0]]
    lines = ["Equals on the made-up days whose lower bound at 95 % lies above zero, by method:", ""]
    lines += [f"| method | {' | '.join(f'{days} days' for days in spans)} |"]
    lines += ["|---" * (len(spans) + 1) + "|"]
    for name in first["promoted"]:
        shares = (Share(found[days]["promoted"][name], found[days]["trials"]) for days in spans)
        lines.append(f"| {name} | {' | '.join(map(str, shares))} |")
    return [*lines, ""]
