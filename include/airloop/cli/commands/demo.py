"""`airloop demo`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from airloop.cli.commands.stack import bring_up, show_addresses
from airloop.console import err, out
from airloop.devstack.layout import current_layout
from airloop.errors import RequestError
from airloop.paths import config_folder
from airloop.specs import load_catalog

if TYPE_CHECKING:
    from airloop.devstack.start import Started


def demo_command(
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Also move a state aside that no demo made, and begin anew."),
    ] = False,
) -> int:
    """Start everything and close the loop once, on real flights, as a user would; leaves it up."""
    from airloop.demo.fresh import make_room
    from airloop.demo.stage import MODEL
    from airloop.demo.story import Story

    if MODEL not in (models := load_catalog().model_names()):
        raise RequestError(
            "the demo tells the story of a model that this project does not have",
            value=MODEL,
            where=str(config_folder() / "models"),
            valid=models,
            remedy="make a project that has it by `airloop new DIR --example flights`",
        )
    layout = current_layout()
    if attic := make_room(layout, forced=fresh):
        err.print(f"the state of the last demo was moved to {attic}", soft_wrap=True)
    started: list[Started] = []

    def start() -> str:
        started.append(bring_up(layout))
        return f"{len(started[0].started)} processes up, all on 127.0.0.1"

    story = Story(layout)
    story.start(start)
    report = story.tell()
    out.print(report.table())
    out.print(
        f"Written to {layout.demo_report}. Everything is up; `make down` stops it.", soft_wrap=True
    )
    show_addresses(started[0])
    return 0 if report.ok else 1
