"""`airloop lake`: what an administrator asks of the lake."""

from __future__ import annotations

from typing import Annotated

import typer

from airloop.console import err, out
from airloop.errors import AirloopError, RequestError, TransientError
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
    from airloop.data.lake.examination import faults, tables_of
    from airloop.data.lake.lake import Lake

    settings = load_settings()
    lake, there, damaged = Lake(settings), tables_of(settings), 0
    for name in tables or there:
        if name not in there:
            raise RequestError("the lake has no such table", value=name, valid=there)
        found = 0
        try:
            for fault in faults(lake, name):
                err.print(fault, markup=False, soft_wrap=True)
                found += 1
            partitions = len(lake.partitions(name))
        except TransientError:
            raise
        except AirloopError as error:
            err.print(f"{name}: {error}", markup=False, soft_wrap=True)
            damaged += found + 1
            continue
        damaged += found
        said = f"{found} faults" if found else "sound"
        out.print(f"{name}: {partitions} partitions, {said}", soft_wrap=True)
    return 1 if damaged else 0
