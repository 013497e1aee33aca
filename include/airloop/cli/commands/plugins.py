"""`airloop plugins`: what extends this Airloop, who brought it, and what could not be loaded."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.table import Table

from airloop.console import out
from airloop.errors import SpecError
from airloop.plugins.registry import Plugin, installed, load


def plugins_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> int:
    """List every source, gate, metric, trainer, executor and alert route that is installed; 1 if one cannot be loaded."""
    rows = list(_rows())
    if as_json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    else:
        _print(rows)
    return 1 if any(row["error"] for row in rows) else 0


def _rows() -> Iterator[dict[str, str]]:
    for plugin in installed():
        yield {
            "kind": plugin.seam.noun,
            "name": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "error": _error(plugin),
        }


def _error(plugin: Plugin) -> str:
    try:
        load(plugin.seam, plugin.name)
    except SpecError as error:
        return str(error)
    return ""


def _print(rows: list[dict[str, str]]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("kind", "name", "distribution", "version"):
        table.add_column(column)
    for row in rows:
        style = "red" if row["error"] else None
        table.add_row(
            *(row[key] for key in ("kind", "name", "distribution", "version")), style=style
        )
    out.print(table)
    for row in rows:
        if row["error"]:
            out.print(f"{row['kind']} {row['name']}: {row['error']}", style="red", markup=False)
