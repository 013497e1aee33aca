"""`airloop trigger`, `predict`, `rollback`, `decisions`: the loop by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from airloop.cli.console import err, out
from airloop.contracts import Contract
from airloop.errors import PermanentError, RequestError, SpecError
from airloop.settings import load_settings
from airloop.specs.catalog import load_catalog
from airloop.specs.requests import (
    DeployConf,
    IngestConf,
    MonitorConf,
    ScoreConf,
    TrainConf,
    parse_conf,
)
from airloop.vocabulary import Topic

_KINDS: dict[str, type[Contract]] = {
    "ingest": IngestConf,
    "train": TrainConf,
    "deploy": DeployConf,
    "monitor": MonitorConf,
    "score": ScoreConf,
}

ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="A name of config/models.")]


def trigger_command(
    dag: Annotated[str, typer.Argument(metavar="DAG", help="For instance ingest_flights.")],
    conf: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="The fields of its trigger form."),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for its end; exit code 1 if it fails.")
    ] = False,
) -> int:
    """Start a run of a DAG, as its trigger form in Airflow does."""
    from airloop.devstack.airflow import Airflow

    kind, _, name = dag.partition("_")
    catalog = load_catalog()
    names = catalog.dataset_names() if kind == "ingest" else catalog.model_names()
    valid = [
        *(f"ingest_{name}" for name in catalog.dataset_names()),
        *(f"{one}_{name}" for one in _KINDS if one != "ingest" for name in catalog.model_names()),
    ]
    if kind not in _KINDS or name not in names:
        raise RequestError("there is no such DAG", value=dag, valid=valid)
    fields = _pairs(conf or [])
    parse_conf(_KINDS[kind], fields)
    with Airflow.connect(load_settings()) as airflow:
        airflow.unpause(dag)
        run = airflow.trigger(dag, fields, note="airloop trigger")
        out.print(f"{dag}: run {run}", soft_wrap=True)
        if not wait:
            return 0
        with err.status(f"{run}: queued") as line:
            state = airflow.wait(
                dag, run, patience=3600, tell=lambda now: line.update(f"{run}: {now}")
            )
        if state != "success":
            raise PermanentError(
                f"the run failed: {airflow.failure(dag, run)}", where=f"{dag}, {run}"
            )
        out.print(f"{dag}: {state}")
    return 0


def predict_command(
    model: ModelName,
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
    from airloop.demo.rows import partition_rows
    from airloop.serving.client import ServiceClient

    load_catalog().model(model)
    given = [_row(text) for text in row or []] + (_rows(file) if file else [])
    if partition is not None:
        given += partition_rows(model, partition, rows)
    if not given:
        raise RequestError(
            "no row was given",
            remedy="say --row '{...}', --file rows.json or --partition 2013-03-01",
        )
    answer = ServiceClient(load_settings()).predict(model, given)
    out.print_json(answer.model_dump_json())


def rollback_command(
    model: ModelName,
    reason: Annotated[str, typer.Option("--reason", help="Why; it goes on record.")] = "by hand",
    to: Annotated[
        int | None,
        typer.Option(
            "--to", min=1, help="To this version, which served once; else the one before."
        ),
    ] = None,
) -> None:
    """Return to the version that served before, or to an earlier one, at once."""
    from airloop.delivery.delivery import rollback
    from airloop.ledger import open_ledger

    load_catalog().model(model)
    settings = load_settings()
    deployment = rollback(open_ledger(settings), settings, model, reason, to_version=to)
    out.print(
        f"{model}: version {deployment.version} serves again, version {deployment.previous} is out"
    )


def decisions_command(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="Of one model only.")
    ] = None,
    topic: Annotated[Topic | None, typer.Option("--topic", help="On one topic only.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one JSON list.")] = False,
) -> None:
    """What the loop decided and why, newest first."""
    from airloop.ledger import open_ledger

    if model is not None:
        load_catalog().model(model)
    found = open_ledger(load_settings()).decisions(model, topic, limit)
    if as_json:
        out.print_json(json.dumps([json.loads(one.model_dump_json()) for one in found]))
        return
    table = Table(box=None, pad_edge=False)
    for title in ("when (UTC)", "model", "about", "decision", "why"):
        table.add_column(title, overflow="fold")
    for one in found:
        table.add_row(f"{one.at:%Y-%m-%d %H:%M:%S}", one.entity, one.topic, one.action, one.reason)
    out.print(table if found else "nothing was decided yet")


def _pairs(texts: list[str]) -> dict[str, Any]:
    """``key=value`` words: a value is JSON where it reads as JSON, else text."""
    fields: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise RequestError("a field is written key=value", value=text)
        if key in fields:
            raise RequestError("a field stands twice", value=key)
        fields[key] = _json_or_text(value)
    return fields


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


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
