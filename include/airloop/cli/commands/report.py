"""`airloop report`: the page of a night, drawn when somebody asks."""

from __future__ import annotations

from typing import Annotated

import typer

from airloop.console import err, out
from airloop.errors import RequestError
from airloop.settings import load_settings
from airloop.specs import load_catalog


def report_command(
    model: Annotated[str, typer.Argument(help="A model's name.")],
    night: Annotated[str, typer.Argument(help="A night that was looked at, such as 2013-03-07.")],
) -> None:
    """Draw Evidently's page of a night, which a quiet one does not have by itself."""
    from airloop.ledger import open_ledger

    catalog, settings = load_catalog(), load_settings()
    spec, dataset = catalog.pair(model)
    deployment = open_ledger(settings).current_deployment(model)
    if deployment is None:
        raise RequestError(
            "the model has no champion, whose reference a night is compared with", value=model
        )
    with err.status("drawing"):
        from airloop.data.lake.lake import Lake
        from airloop.monitoring import reference, report
        from airloop.registry.artifacts import fetch

        found = report.kept(settings, model, night)
        if found is None:
            raise RequestError(
                "nobody looked at that night, or its report has expired",
                value=night,
                where=f"model {model}",
                remedy=f"run `airloop trigger monitor_{model} partition={night}`",
            )
        known = reference.beside(reference.read(fetch(deployment.artifact, settings)), dataset)
        link = report.draw(settings, Lake(settings), spec, dataset, known, found)
    if link is None:
        raise RequestError(
            "there is nothing to show: no column was judged, or the lake no longer has the days",
            value=night,
            where=f"model {model}",
        )
    out.print(link, soft_wrap=True)
