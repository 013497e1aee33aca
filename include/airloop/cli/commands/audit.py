"""`airloop audit`: whether what the ledger says is what was written."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from airloop.cli.person import person
from airloop.console import err, out
from airloop.settings import load_settings

if TYPE_CHECKING:
    from airloop.ledger.audit import Audit

#: So many faults are printed, the first in each chain's order.
_SHOWN = 20


def verify_command(
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one JSON object.")] = False,
) -> int:
    """Compare every decision, deployment and reason to train with the chain that was written beside it, and its end with the anchors.

    Exit code 1 if a row was edited, deleted, re-ordered, replaced or put there by hand, if a link or the newest of them is
    gone, or if the database no longer refuses to change history; each is named.
    """
    from airloop.delivery.anchors import Anchors
    from airloop.delivery.auditing import examine
    from airloop.ledger import open_ledger

    settings = load_settings()
    with err.status("reading the ledger"):
        found, unasked = examine(open_ledger(settings), Anchors(settings))
    if as_json:
        said = {"sound": found.sound, **asdict(found), "unasked": unasked}
        out.print_json(json.dumps(said))
    else:
        _say(found, unasked)
    return 0 if found.sound else 1


def anchor_command(
    reason: Annotated[str, typer.Option("--reason", help="Why; it goes on record.")],
    rows: Annotated[
        list[str] | None,
        typer.Option(
            "--accept", metavar="TABLE/ENTITY/KEY", help="Instead link this row, which has no link."
        ),
    ] = None,
) -> None:
    """Anchor this ledger anew, where it is not the one that was anchored: it was brought back from a backup, say.

    Until then the anchors contradict it. Refused where its own history does not hold. With --accept rows that an older
    Airloop wrote during an upgrade are linked as they are, and shown; a row that was edited after it was linked is refused.
    """
    from airloop.delivery.anchors import Anchors
    from airloop.delivery.auditing import accept, accept_rows
    from airloop.ledger import open_ledger

    settings = load_settings()
    if rows:
        for line in accept_rows(open_ledger(settings), rows, reason, person()):
            out.print(f"accepted: {line}", markup=False, soft_wrap=True)
        return
    count = accept(open_ledger(settings), Anchors(settings), reason, person())
    out.print(f"anchored: {count} chains", soft_wrap=True)


def _say(found: Audit, unasked: list[str]) -> None:
    for fault in found.faults[:_SHOWN]:
        err.print(str(fault), markup=False, soft_wrap=True)
    if (more := len(found.faults) - _SHOWN) > 0:
        err.print(f"and {more} more: `airloop audit verify --json` names all", soft_wrap=True)
    if found.faults:
        err.print(
            "the ledger is not what was written: find who wrote, bring back the last backup that is sound, and tell "
            "`airloop audit anchor`",
            soft_wrap=True,
        )
    rows = [row for fault in found.faults[:_SHOWN] if (row := fault.row) is not None]
    if rows:
        err.print(
            "a row past Airloop may be an older Airloop's, from during an upgrade: if so, "
            f"`airloop audit anchor --accept {rows[0]} --reason …` links it, on record",
            markup=False,
            soft_wrap=True,
        )
    for line in unasked:
        err.print(line, markup=False, soft_wrap=True)
    said = "sound" if found.sound else f"{len(found.faults)} faults"
    out.print(f"{found.links} links in {found.entities} chains, {said}", soft_wrap=True)
