"""`airloop lake`: what an administrator asks of the lake."""

from __future__ import annotations

from typing import Annotated

import typer

from airloop.console import err, out
from airloop.errors import RequestError
from airloop.settings import load_settings


def verify_command(
    tables: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TABLE]...", help="Of these only, for instance flights."),
    ] = None,
) -> int:
    """Compare every file of the lake, and every entry of its tables' logs, with what was written.

    Exit code 1 if anything is damaged, gone or changed; each is named, with what to do.
    """
    from airloop.data.lake.examination import examined, tables_of

    settings = load_settings()
    there, damaged = tables_of(settings), 0
    for name in tables or there:
        if name not in there:
            raise RequestError("the lake has no such table", value=name, valid=there)
    for table in examined(settings, tables or there):
        for fault in table.faults:
            err.print(fault, markup=False, soft_wrap=True)
        damaged += len(table.faults)
        if table.partitions is not None:
            said = f"{len(table.faults)} faults" if table.faults else "sound"
            out.print(f"{table.name}: {table.partitions} partitions, {said}", soft_wrap=True)
    return 1 if damaged else 0
