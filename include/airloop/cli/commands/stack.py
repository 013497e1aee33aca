"""`airloop up`, `down`, `status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from airloop.console import StartProgress, err, out, spinner
from airloop.devstack.layout import Layout, current_layout
from airloop.devstack.secrets import AIRFLOW_USER, SHOWN
from airloop.registry.credentials import READER

if TYPE_CHECKING:
    from airloop.devstack.start import Started

_COLOURS = {"ok": "green", "bad": "red", "could not tell": "yellow"}


def up_command() -> None:
    """Start Airflow, MLflow and the prediction service on 127.0.0.1; what runs already stays."""
    started = bring_up(current_layout())
    show_addresses(started)


def down_command() -> None:
    """Stop what `up` or `demo` started, and everything that it started in turn."""
    from airloop.devstack.state import down

    layout = current_layout()
    with err.status("stopping"):
        ran, killed = down(layout)
    if not ran:
        out.print("nothing was running")
        return
    hard = f", {killed} processes had to be killed" if killed else ""
    out.print(f"stopped {ran} parts{hard}; the state stays in {layout.home}")


def status_command(
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one JSON object.")] = False,
) -> int:
    """Say what runs and where, and whether a run has what it needs. Exit code 1 if anything is not well."""
    from airloop.devstack.state import status

    state = status(current_layout())
    if as_json:
        out.print_json(state.model_dump_json())
        return 0 if state.well else 1
    colours = {"running": "green", "stopped": "dim", "crashed": "red", "not well": "yellow"}
    table = Table(box=None, pad_edge=False)
    for title in ("part", "state", "process", "up for", "address"):
        table.add_column(title, overflow="fold")
    for part in state.components:
        uptime = _duration(part.uptime_seconds) if part.uptime_seconds is not None else ""
        coloured = f"[{colours[part.state]}]{part.state}[/]"
        table.add_row(part.title, coloured, str(part.pid or ""), uptime, part.address)
    out.print(table)
    if state.owned:
        files = ", ".join(f"dags/{kind}.py" for kind in state.owned)
        out.print(f"the project's own DAG files: {files}", soft_wrap=True)
    for need in state.needs:
        out.print(f"[{_COLOURS[need.outcome]}]{need.name}[/]: ", end="")
        out.print(need.says, markup=False, soft_wrap=True)
    told = {"in force": state.in_force, "replayed": state.replays, "cluster": state.cluster}
    for about, line in [(about, line) for about, lines in told.items() for line in lines]:
        out.print(f"{about}: {line}", markup=False, soft_wrap=True)
    for part in state.components:
        if part.state in {"crashed", "not well"}:
            err.print(
                f"{part.title} is {part.state}: see {part.log}; `airloop up` starts what is missing",
                soft_wrap=True,
            )
    for finding in state.findings:
        err.print(finding, soft_wrap=True)
    return 0 if state.well else 1


def bring_up(layout: Layout) -> Started:
    """`up` with its progress on the terminal."""
    from airloop.devstack.start import up

    with spinner() as progress:
        return up(layout, StartProgress(progress))


def show_addresses(started: Started) -> None:
    """Where everything is; the secrets only when they are new."""
    addresses, folder = started.addresses, started.secrets.folder
    lines = (
        f"Airflow      {addresses.url('airflow')}  user {AIRFLOW_USER}, password in {folder}/airflow_password",
        f"MLflow       {addresses.url('mlflow')}  user {READER}, who may look, password in {folder}/mlflow_reader_password",
        f"Predictions  {addresses.url('serving')}/docs  bearer token in {folder}/service_token",
    )
    for line in lines:
        out.print(line, soft_wrap=True)
    for line in started.in_force:
        out.print(f"in force: {line}", markup=False, soft_wrap=True)
    if started.new_secrets:
        made = ", ".join(f"{SHOWN[name]} {started.secrets[name]}" for name in started.new_secrets)
        out.print(f"Made just now and shown this once: {made}", markup=False, soft_wrap=True)
    if not started.started:
        out.print("everything was running already")


def _duration(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"
