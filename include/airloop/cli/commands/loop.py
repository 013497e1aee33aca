"""`airloop trigger`, `reconcile`, `rollback`, `retire`, `decisions`: the loop by hand."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from airloop.cli.known import check_model, check_name
from airloop.cli.person import person
from airloop.console import err, out
from airloop.contracts import Deployment
from airloop.errors import AirloopError, GateError, PermanentError, RequestError
from airloop.settings import load_settings
from airloop.specs.catalog import load_catalog
from airloop.specs.requests import CONFS, parse_conf
from airloop.vocabulary import DeploymentKind, Topic

if TYPE_CHECKING:
    from airloop.devstack.airflow import Airflow

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

    kind = _kind_of(dag)
    fields = _pairs(conf or [])
    parse_conf(CONFS[kind], fields)
    with Airflow.connect(load_settings()) as airflow:
        airflow.unpause(dag)
        run = airflow.same_request(dag, fields) if kind == "train" else None
        if run is None:
            run = airflow.trigger(dag, fields, note="airloop trigger")
            out.print(f"{dag}: run {run}", soft_wrap=True)
        else:
            out.print(f"{dag}: run {run} has this training, no other is started", soft_wrap=True)
        if not wait:
            return 0
        _await(airflow, dag, run)
    return 0


def _await(airflow: Airflow, dag: str, run: str) -> None:
    """Wait for a run's good end, its state told meanwhile.

    :raises PermanentError: if it fails
    """
    from airloop.devstack.layout import current_layout
    from airloop.devstack.pulse import Pulse

    with err.status(f"{run}: queued") as line:
        state = airflow.wait(
            dag,
            run,
            patience=3600,
            tell=lambda now: line.update(f"{run}: {now}"),
            pulse=Pulse(airflow, current_layout()),
        )
    if state != "success":
        raise PermanentError(f"the run failed: {airflow.failure(dag, run)}", where=f"{dag}, {run}")
    out.print(f"{dag}: {state}")


def _kind_of(dag: str) -> str:
    """The kind of one of the project's DAGs, ``train`` of ``train_flight_delay``."""
    kind, _, name = dag.partition("_")
    catalog = load_catalog()
    names = catalog.dataset_names() if kind == "ingest" else catalog.model_names()
    valid = [
        *(f"ingest_{name}" for name in catalog.dataset_names()),
        *(f"{one}_{name}" for one in CONFS if one != "ingest" for name in catalog.model_names()),
    ]
    if kind not in CONFS or name not in names:
        raise RequestError("there is no such DAG", value=dag, valid=valid)
    return kind


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
    """End the delivery that is under way, else return to the version that served before, or to an earlier one, at once."""
    from airloop.delivery.rollback import rollback
    from airloop.ledger import open_ledger

    settings = load_settings()
    ledger = open_ledger(settings)
    check_model(model, ledger)
    before, traffic = None, None
    # What a hand put over the loop's last delivery is nobody's version, and this is the way out.
    with suppress(GateError):
        before, traffic = ledger.current_deployment(model), ledger.traffic(model)
    after = rollback(ledger, settings, model, reason, to_version=to, actor=person())
    if to is None and traffic is not None and traffic.open:
        ended = ", ".join(f"version {one.version} ({one.role})" for one in traffic.others)
        out.print(
            f"{model}: {ended} is out of the traffic, and version {after.version} answers everything again; it serves "
            "on itself: `--to` goes back further",
            soft_wrap=True,
        )
        return
    if before == after:
        others = sorted({one.version for one in ledger.deployments(model)} - {after.version})
        out.print(_nothing_done(model, after, others), soft_wrap=True)
        return
    out_now = f", version {before.version} is out" if before is not None else ""
    out.print(f"{model}: version {after.version} serves again{out_now}")


def retire_command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name that the ledger knows.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it goes on record.")],
) -> None:
    """End a model: no traffic, no aliases, its DAGs paused. What it did stays on record.

    Its versions stay in the registry; `airloop rollback` brings the last one back.
    """
    from airloop.delivery.retirement import retire
    from airloop.ledger import open_ledger

    settings = load_settings()
    ledger = open_ledger(settings)
    check_model(model, ledger)
    done = retire(ledger, settings, model, reason, actor=person())
    out.print(f"{model}: version {done.version} is out, and no other serves: {done.reason}")
    _pause_dags(model)
    if model in load_catalog().model_names():
        out.print(
            f"config/models/{model}.yaml still makes its DAGs, paused now: delete it to end them and "
            "their assets",
            soft_wrap=True,
        )


def decisions_command(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Of one model or dataset only."),
    ] = None,
    topic: Annotated[Topic | None, typer.Option("--topic", help="On one topic only.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one JSON list.")] = False,
) -> None:
    """What the loop decided and why, newest first."""
    from airloop.ledger import open_ledger

    ledger = open_ledger(load_settings())
    if model is not None:
        check_name(model, ledger)
    found = ledger.decisions(model, topic, limit)
    if as_json:
        out.print_json(json.dumps([json.loads(one.model_dump_json()) for one in found]))
        return
    table = Table(box=None, pad_edge=False)
    for title in ("when (UTC)", "of", "about", "decision", "why"):
        table.add_column(title, overflow="fold")
    for one in found:
        table.add_row(f"{one.at:%Y-%m-%d %H:%M:%S}", one.entity, one.topic, one.action, one.reason)
    out.print(table if found else "nothing was decided yet")


def _nothing_done(model: str, serving: Deployment, others: list[int]) -> str:
    why = f" since a rollback ({serving.reason})" if serving.kind is DeploymentKind.ROLLBACK else ""
    ways = f"; `airloop rollback {model} --to N` goes to another version, of {others}"
    return f"{model}: nothing was done, version {serving.version} serves already{why}" + (
        ways if others else "; no other version of it ever served"
    )


def _pause_dags(model: str) -> None:
    """Best effort: the stack may not run, and a DAG without a spec goes by itself."""
    from airloop.devstack.airflow import Airflow

    try:
        with Airflow.connect(load_settings()) as airflow:
            made = {f"{kind}_{model}" for kind in CONFS if kind != "ingest"}
            for dag in sorted(made & set(airflow.dag_ids())):
                airflow.pause(dag)
    except AirloopError as error:
        err.print(f"its DAGs were not paused: {error}", soft_wrap=True)


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
