"""`airloop predictions`: what of a model's answers is not in the lake yet, and reading damaged segments again."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from airloop.console import out
from airloop.settings import load_settings
from airloop.specs.catalog import load_catalog


def predictions_command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name of config/models.")],
    recover: Annotated[
        bool,
        typer.Option("--recover", help="Read kept segments again, and append what was missing."),
    ] = False,
) -> None:
    """Show the segments of a model's prediction log, with what cannot be read of them."""
    from airloop.serving.log import compaction
    from airloop.serving.log.frames import read_segment
    from airloop.serving.log.predictionlog import log_folder, segments

    load_catalog().model(model)
    settings = load_settings()
    if recover:
        done = compaction.recover(settings, model)
        out.print(
            f"{model}: {done.segments} kept segments read again, {done.rows} rows were missing in the "
            f"lake and are there now, {done.damaged} segments stay, {done.unread} bytes unread",
            soft_wrap=True,
        )
        return
    table = Table(box=None, pad_edge=False)
    for title in ("segment", "frames", "bytes unread", "says"):
        table.add_column(title, overflow="fold")
    paths = segments(log_folder(settings.home, model))
    for path in paths:
        found = read_segment(path)
        says = "damaged" if found.damaged else "torn tail" if found.torn else "sound"
        table.add_row(path.name, str(len(found.frames)), str(found.unread), says)
    out.print(table if paths else f"{model}: every logged prediction is in the lake")
