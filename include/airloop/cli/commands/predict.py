"""`airloop predict`: rows from the command line, a file or the lake, and what the service answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from airloop.console import out
from airloop.errors import RequestError, SpecError
from airloop.settings import load_settings
from airloop.specs.catalog import load_catalog


def predict_command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name of config/models.")],
    row: Annotated[
        list[str] | None, typer.Option("--row", help="One row as a JSON object; may be repeated.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="A JSON list of rows, or one row a line.")
    ] = None,
    partition: Annotated[
        str | None,
        typer.Option("--partition", help="Ask for rows of this day of the lake instead."),
    ] = None,
    rows: Annotated[int, typer.Option("--rows", min=1, max=1000, help="... and for how many.")] = 1,
) -> None:
    """Ask the running service; prints its answer as JSON."""
    from airloop.data.lake.asking import request_rows
    from airloop.data.lake.lake import Lake
    from airloop.serving.client import ServiceClient

    catalog = load_catalog()
    spec = catalog.model(model)
    given = [_row(text) for text in row or []] + (_rows(file) if file else [])
    if partition is not None:
        lake = Lake(load_settings())
        given += request_rows(lake, spec, catalog.dataset_of(spec), partition, rows)
    if not given:
        raise RequestError(
            "no row was given",
            remedy="say --row '{...}', --file rows.json or --partition 2013-03-01",
        )
    answer = ServiceClient(load_settings()).predict(model, given)
    out.print_json(answer.model_dump_json())


def _row(text: str) -> dict[str, Any]:
    try:
        row = json.loads(text)
    except ValueError as error:
        raise RequestError(f"the row is not JSON: {error}", value=text) from error
    if not isinstance(row, dict):
        raise RequestError("a row is a JSON object", value=text)
    return row


def _rows(file: Path) -> list[dict[str, Any]]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"the file cannot be read: {error}", where=str(file)) from error
    if text.lstrip().startswith("["):
        try:
            return [_row(json.dumps(one)) for one in json.loads(text)]
        except ValueError as error:
            raise RequestError(f"the file is not JSON: {error}", where=str(file)) from error
    return [_row(line) for line in text.splitlines() if line.strip()]
