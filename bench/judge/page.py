"""The measured part of docs/judgement.md, between its two marks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import machine
from bench.judge.trials import Share
from bench.row import SEED
from bench.section import marks, put

BEGIN, END = marks("judge")
WORLDS = {
    "flights": "the demo's boosted trees on 2013's flights; equals differ by their seed, the others by noise",
    "uneven": "the same, with noise that is stronger on some days than on others",
    "weather": "made-up days of 400 rows, on which each model errs in its own way",
}
OPENED = (
    "Policies on series that were opened for this alone; AUC and, in parentheses, trainings. *Gained* is the AUC less that of "
    "the better of *never* and the monthly calendar of the same kind, with its 95 % interval by blocks of weeks:"
)
Kept = Mapping[str, Mapping[str, Any]]


def write(kept: Kept, page: Path) -> None:
    """Put the tables where they belong."""
    put("judge", render(kept), page)


def render(kept: Kept) -> str:
    """Every table, with date, commit and seed."""
    played = {name: one for name, one in kept.items() if name.startswith("decisions-")}
    gates = {name: one for name, one in kept.items() if name not in played}
    told = "; ".join(
        f"{what} measured {max(one['at'] for one in parts.values())} at commit "
        f"{', '.join(sorted({one['commit'] for one in parts.values()}))}"
        for what, parts in (("gates", gates), ("policies", played))
        if parts
    )
    lines = [f"{told[:1].upper()}{told[1:]}; seed {SEED}, on {machine.cores()}.", ""]
    for world, told in WORLDS.items():
        lines += _curves(kept, world, told)
    return "\n".join([*lines, *_levels(kept), *_refits(kept), *_decisions(kept)]).rstrip()


def _curves(kept: Kept, world: str, told: str) -> list[str]:
    """A row for each gain, the shortest holdout first."""
    found = [one | {"days": int(name.split("-")[1])} for name, one in kept.items() if name.startswith(f"{world}-")]  # fmt: skip
    if not found:
        return []
    lines = [f"Promoted of challengers on **{world}**: {told}.", ""]
    lines += ["| days held out | true gain in AUC | costly | free |", "|---|---|---|---|"]
    for one in sorted(found, key=lambda part: (part["days"], part["true"])):
        shares = (Share(count, one["trials"]) for count in one["promoted"].values())
        lines.append(f"| {one['days']} | {one['true']:+.4f} | {' | '.join(map(str, shares))} |")
    return [*lines, ""]


def _refits(kept: Kept) -> list[str]:
    found = {name[7:]: one for name, one in kept.items() if name.startswith("refits-")}
    if not found:
        return []
    lines = [
        "Refits that the guard lets be delivered: healthy ones, and three kinds that went wrong:",
        "",
    ]
    kinds = next(iter(found.values()))["delivered"]
    lines += [f"| world | {' | '.join(kinds)} |", "|---" * (len(kinds) + 1) + "|"]
    for world, one in sorted(found.items()):
        shares = (Share(one["delivered"].get(kind, 0), one["trials"]) for kind in kinds)
        lines.append(f"| {world} | {' | '.join(map(str, shares))} |")
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


def _decisions(kept: Kept) -> list[str]:
    """The policy beside never and monthly: flights first, on which it was developed."""
    found = {name[10:]: one for name, one in kept.items() if name.startswith("decisions-")}
    lines: list[str] = []
    if (flights := found.pop("flights", None)) is not None:
        lines += [
            f"Policies on **flights**, {flights['nights']} nights of 2013, the development set:", "",
            "| policy | AUC | log loss | trainings | promoted | CPU s |", "|---|---|---|---|---|---|",
        ]  # fmt: skip
        for name, one in flights["policies"].items():
            lines.append(
                f"| {name} | {one['auc']:.4f} | {one['log loss']:.4f} | {one['trainings']} | {one['promoted']} | {one['cpu']:.0f} |"
            )
        lines.append("")
        for name, gain in flights["over never"].items():
            lines.append(f"`{name}` against *never*: {_gain(gain)} of AUC; against the better of *never* and its calendar: {_gain(flights['gained'][name])}.")  # fmt: skip
        lines.append("")
    if found:
        first = next(iter(found.values()))
        heads = [*first["policies"], *(f"gained by {name}" for name in first["gained"])]
        lines += [OPENED, "", f"| series | nights | {' | '.join(heads)} |", "|---" * (len(heads) + 2) + "|"]  # fmt: skip
    for name, one in found.items():
        cells = [f"{p['auc']:.4f} ({p['trainings']})" for p in one["policies"].values()]
        cells += [_gain(gain) for gain in one["gained"].values()]
        told = f"**{name}**: {one['told']}{' (quiet)' if one['quiet'] else ''}"
        lines.append(f"| {told} | {one['nights']} | {' | '.join(cells)} |")
    return lines


def _gain(one: Mapping[str, float]) -> str:
    return f"{one['mean']:+.4f} ({one['low']:+.4f} to {one['high']:+.4f}, {one['weeks']} weeks)"
