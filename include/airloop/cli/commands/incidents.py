"""`airloop incidents`: what was found broken, and a person's word on it."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer
from rich.table import Table

from airloop.cli.known import check_model
from airloop.cli.person import person
from airloop.console import out
from airloop.settings import load_settings
from airloop.vocabulary import IncidentStatus


def incidents_command(
    context: typer.Context,
    model: Annotated[str | None, typer.Option("--model", help="Of one model only.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one JSON list.")] = False,
) -> None:
    """Partitions that were found broken, newest first: nothing is learned from them until they are mended or resolved."""
    if context.invoked_subcommand is not None:
        return
    from airloop.ledger import open_ledger
    from airloop.ledger.incidents import STANDING

    ledger = open_ledger(load_settings())
    if model is not None:
        check_model(model, ledger)
    found = ledger.incidents(model, tuple(IncidentStatus) if everything else STANDING, limit)
    if as_json:
        out.print_json(json.dumps([json.loads(one.model_dump_json()) for one in found]))
        return
    table = Table(box=None, pad_edge=False)
    for title in ("number", "model", "partition", "status", "what"):
        table.add_column(title, overflow="fold")
    for one in found:
        what = f"{one.reason} ({one.resolution})" if one.resolution else one.reason
        table.add_row(str(one.number), one.model, one.partition, one.status, what)
    out.print(table)


def resolve_command(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="As `airloop incidents` has it.")],
    kind: Annotated[
        Literal["drift", "fault"],
        typer.Option("--as", help="drift: the data are sound, learn from them; fault: never."),
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why; it goes on record.")],
) -> None:
    """Say what an incident was."""
    from airloop.ledger import open_ledger

    ledger = open_ledger(load_settings())
    done = ledger.resolve_incident(number, IncidentStatus(kind), reason, person())
    what = "is learned from again" if kind == "drift" else "is left out until it is ingested anew"
    out.print(f"incident {number}: {done.partition} of {done.dataset} {what}", soft_wrap=True)
