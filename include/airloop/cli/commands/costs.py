"""`airloop costs`: what training runs, versions and the other steps used."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from airloop.accounting.figures import CostSummary, summaries
from airloop.cli.known import check_name
from airloop.console import out
from airloop.settings import load_settings

STEPS = "steps (attempts)"
TITLES = (
    *("model", "version", "run", STEPS, "time", "CPU", "GPU", "GPU busy"),
    *("peak memory", "peak GPU memory", "last (UTC)"),
)


def costs_command(
    entity: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="Of one model or dataset only.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000)] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one JSON list.")] = False,
) -> None:
    """What was used: CPU and GPU time summed over attempts, peaks of memory; the newest first."""
    from airloop.ledger import open_ledger

    ledger = open_ledger(load_settings())
    if entity is not None:
        check_name(entity, ledger)
    found = summaries(ledger.usage(entity))[:limit]
    if as_json:
        out.print_json(json.dumps([summary.model_dump(mode="json") for summary in found]))
        return
    out.print(_table([cells(summary) for summary in found]) if found else "nothing has run yet")


def _table(rows: Sequence[Sequence[str]]) -> Table:
    """The lines without the columns that say nothing in any of them: a GPU's, where there is none."""
    table = Table(box=None, pad_edge=False)
    columns = {
        title: values
        for title, values in zip(TITLES, zip(*rows, strict=True), strict=True)
        if set(values) != {"-"}
    }
    for title in columns:
        # In a narrow window steps are put below each other before their names are cut.
        table.add_column(title, overflow="fold", min_width=13 if title == STEPS else None)
    for line in zip(*columns.values(), strict=True):
        table.add_row(*line)
    return table


def cells(summary: CostSummary) -> tuple[str, ...]:
    """One line of the table."""
    steps = ", ".join(f"{name} ({count})" for name, count in summary.steps.items())
    busy = "-" if summary.gpu_utilisation is None else f"{summary.gpu_utilisation:.0%}"
    held = summary.gpu_seconds > 0
    return (
        summary.entity,
        "-" if summary.version is None else str(summary.version),
        (summary.run_id or "-")[:8],
        steps,
        duration(summary.wall_seconds),
        duration(summary.cpu_seconds),
        duration(summary.gpu_seconds) if held else "-",
        busy,
        size(summary.peak_host_bytes),
        size(summary.peak_gpu_bytes) if held else "-",
        f"{summary.at:%Y-%m-%d %H:%M}",
    )


def duration(seconds: float) -> str:
    """Seconds below two minutes, minutes below two hours, else hours."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


def size(count: int) -> str:
    """Bytes as MiB, or GiB from one on."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
