"""The section of docs/judgement.md on broken feeds, between its two marks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import machine
from bench.section import marks, put

BEGIN, END = marks("feeds")
_NONE = {"found": 0, "of": 0}


def write(found: Mapping[str, Any], page: Path) -> None:
    """Put the tables where they belong."""
    put("feeds", render(found), page)


def render(found: Mapping[str, Any]) -> str:
    """Both tables, with date, commit and seed."""
    lines = [
        f"Measured {found['at']} at commit {found['commit']}, seed {found['seed']}, on {machine.cores()}.",
        "",
        "| broken so | incident on the first night | on nights that nothing was tuned on | on five more | what is said, for instance |",
        "|---|---|---|---|---|",
    ]
    for name, one in found["faults"].items():
        parts = (one, *(found[part].get(name, _NONE) for part in ("unseen", "later")))
        counts = " | ".join(f"{part['found']} of {part['of']}" for part in parts)
        lines.append(f"| {name} | {counts} | {_said(one)} |")
    sums = (share(*_all(found[part])) for part in ("faults", "unseen", "later"))
    lines.append(f"| **all** | {' | '.join(sums)} | |")
    for part in ("others", "invented"):
        lines += ["", "| and so | incident on the first night | what is said, for instance |"]
        lines.append("|---|---|---|")
        for name, one in found[part].items():
            lines.append(f"| {name} | {one['found']} of {one['of']} | {_said(one)} |")
        lines.append(f"| **all** | {share(*_all(found[part]))} | |")
    lines += ["", "| sound nights | incidents |", "|---|---|"]
    for name, one in found["clean"].items():
        lines.append(f"| {name} | {share(len(one['incidents']), one['nights'])} |")
    incidents = sum(len(one["incidents"]) for one in found["clean"].values())
    nights = sum(one["nights"] for one in found["clean"].values())
    return "\n".join([*lines, f"| **all** | {share(incidents, nights)} |"])


def _said(one: Mapping[str, Any]) -> str:
    said: str = max(one["said"], key=len)
    return said.split("; ")[0].replace("|", "\\|")


def _all(rows: Mapping[str, Any]) -> tuple[int, int]:
    return sum(one["found"] for one in rows.values()), sum(one["of"] for one in rows.values())


def share(count: int, of: int) -> str:
    """A share with Wilson's interval (1927) at 95 %."""
    z, n = 1.959964, max(of, 1)
    part = count / n
    middle = (part + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(part * (1 - part) / n + z * z / (4 * n * n))
    return f"{count} of {of:,} ({part:.1%}; {max(0.0, middle - reach):.1%} to {middle + reach:.1%})"
