"""Mishaps in the upstream drop folder: what the demo's days of trouble look like when they arrive.

They happen to the files that the dataset's source reads, as they would to somebody else's export.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

Table = list[dict[str, str]]


def lose_column(folder: Path, day: str, column: str) -> None:
    """That day's flights come without one column."""

    def without(rows: Table) -> Table:
        return [{name: value for name, value in row.items() if name != column} for row in rows]

    _rewrite(folder / "flights" / f"{day}.csv", without)


def spoil_rows(folder: Path, day: str, fraction: float) -> int:
    """Some of that day's flights have an impossible distance; returns how many."""
    spoilt = 0

    def spoil(rows: Table) -> Table:
        nonlocal spoilt
        every = max(1, round(1 / fraction))
        for row in rows[::every]:
            row["distance"] = "-1"
            spoilt += 1
        return rows

    _rewrite(folder / "flights" / f"{day}.csv", spoil)
    return spoilt


def lose_weather(folder: Path, day: str) -> None:
    """That day's weather has its hours, and not one measurement."""
    key = {"origin", "year", "month", "day", "hour", "time_hour"}

    def blank(rows: Table) -> Table:
        return [{name: row[name] if name in key else "" for name in row} for row in rows]

    _rewrite(folder / "weather" / f"{day}.csv", blank)


def _rewrite(path: Path, change: Callable[[Table], Table]) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        rows = change(list(csv.DictReader(file)))
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
