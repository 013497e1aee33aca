"""`airloop replay`: what each way to decide would have been worth on the past."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from airloop.console import err, out
from airloop.errors import TransientError
from airloop.paths import home_folder
from airloop.settings import Settings, load_settings
from airloop.specs import DatasetSpec, ModelSpec, load_catalog

if TYPE_CHECKING:
    from airloop.replay.account import Account
    from airloop.replay.past import Past


def replay_command(
    model: Annotated[str, typer.Argument(help="A model's name.")],
    first: Annotated[
        str | None, typer.Option("--from", help="The first partition; the lake's by default.")
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", help="The last partition; the lake's by default.")
    ] = None,
    policy: Annotated[
        list[str] | None, typer.Option(help="Only this policy; may be said several times.")
    ] = None,
    cores: Annotated[int, typer.Option(min=1, help="Processes that work at once.")] = min(
        os.cpu_count() or 1, 8
    ),
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for machines.")] = False,
) -> None:
    """Replay the loop over the lake's history under several policies, and propose thresholds."""
    from airloop.replay.whole import keep

    catalog, settings = load_catalog(), load_settings()
    spec, dataset = catalog.pair(model)
    account = _replayed(settings, spec, dataset, (first, last), policy or [], cores)
    link = keep(settings, account)
    if as_json:
        out.print(account.model_dump_json(), soft_wrap=True, markup=False, highlight=False)
        return
    _show(account)
    out.print(link, soft_wrap=True)


def _replayed(
    settings: Settings,
    spec: ModelSpec,
    dataset: DatasetSpec,
    span: tuple[str | None, str | None],
    names: list[str],
    cores: int,
) -> Account:
    from rich.progress import Progress

    from airloop.replay import past as pasts
    from airloop.replay.replay import Asked, opening
    from airloop.replay.whole import replayed

    first, last = span
    with err.status("reading the history"):
        past = pasts.read(settings, spec, dataset, first=first, last=last)
        opening(past)
        _compared(settings, past)
    asked = Asked(settings, spec, dataset, home_folder() / "replay" / spec.name, first, last)
    with Progress(console=err, transient=True) as bar:
        task = bar.add_task("replaying", total=None)

        def tell(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=what)

        return replayed(asked, past, names, cores=cores, tell=tell)


def _compared(settings: Settings, past: Past) -> None:
    """Today's features against the champion's, where its artifact can be had: the replay itself needs no server."""
    from airloop.ledger import open_ledger
    from airloop.replay.champion import check_features

    try:
        check_features(settings, open_ledger(settings), past)
    except TransientError as error:
        err.print(f"not compared with the champion: {error}", soft_wrap=True, markup=False)


def _show(account: Account) -> None:
    from rich.table import Table

    from airloop.replay.page import lines, summary

    head, *rows = lines(account)
    table = Table(box=None, pad_edge=False)
    for number, name in enumerate(head):
        table.add_column(name, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*row)
    out.print(summary(account), soft_wrap=True)
    out.print(table)
    if account.proposal is not None:
        out.print(account.proposal.sentence, soft_wrap=True)
