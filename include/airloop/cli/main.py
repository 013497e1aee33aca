"""`airloop`, the command line: the commands, and how their errors end.

Exit codes: 0 done; 1 something of ours or of the machine failed; 2 what was asked for is wrong;
130 interrupted. An error is one line on stderr; ``AIRLOOP_DEBUG=1`` shows where it came from.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, ParamSpec, TypeVar

import typer
from typer.exceptions import TyperException

from airloop import __version__, paths
from airloop.cli.check import check_command
from airloop.cli.commands import (
    audit,
    clean,
    costs,
    demo,
    incidents,
    lake,
    ledger,
    loop,
    package,
    plugins,
    predict,
    predictions,
    project,
    reconcile,
    replay,
    report,
    stack,
    token,
)
from airloop.compatibility import made_by, refuse_newer
from airloop.errors import AirloopError, RequestError, SpecError
from airloop.projects.installation import refuse_two

P = ParamSpec("P")
R = TypeVar("R")


def in_project(command: Callable[P, R]) -> Callable[P, R]:
    """A command that works on a project: it is found before the command begins."""

    @wraps(command)
    def entered(*arguments: P.args, **options: P.kwargs) -> R:
        file = paths.enter() / paths.MARKER
        refuse_newer(made_by(file), f"{file}, key airloop")
        return command(*arguments, **options)

    return entered


app = typer.Typer(
    name="airloop",
    help="The closed MLOps loop on Apache Airflow: one machine, one command.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("up", epilog="Example: airloop up")(in_project(stack.up_command))
app.command("down", epilog="Example: airloop down")(in_project(stack.down_command))
app.command("status", epilog="Example: airloop status --json")(in_project(stack.status_command))
app.command("demo", epilog="Example: airloop demo")(in_project(demo.demo_command))
app.command("check", epilog="Example: airloop check")(in_project(check_command))
app.command(
    "trigger", epilog="Example: airloop trigger ingest_flights partition=2013-03-01 --wait"
)(in_project(loop.trigger_command))
app.command(
    "predict", epilog="Example: airloop predict flight_delay --partition 2013-03-01 --rows 2"
)(in_project(predict.predict_command))
app.command(
    "rollback", epilog='Example: airloop rollback flight_delay --reason "too many late calls"'
)(in_project(loop.rollback_command))
app.command("retire", epilog='Example: airloop retire weather --reason "nobody asks for it"')(
    in_project(loop.retire_command)
)
app.command("decisions", epilog="Example: airloop decisions flight_delay --limit 5")(
    in_project(loop.decisions_command)
)

app.command("report", epilog="Example: airloop report flight_delay 2013-03-07")(
    in_project(report.report_command)
)
app.command("replay", epilog="Example: airloop replay flight_delay --from 2013-01-01")(
    in_project(replay.replay_command)
)
app.command("clean", epilog="Example: airloop clean --older-than 30d")(
    in_project(clean.clean_command)
)
app.command("predictions", epilog="Example: airloop predictions flight_delay --recover")(
    in_project(predictions.predictions_command)
)
app.command("package", epilog="Example: airloop package flight_delay 3 --as bento")(
    in_project(package.package_command)
)
app.command("plugins", epilog="Example: airloop plugins")(plugins.plugins_command)
app.command("reconcile", epilog="Example: airloop reconcile --grace-minutes 0")(
    in_project(reconcile.reconcile_command)
)
app.command("costs", epilog="Example: airloop costs flight_delay")(in_project(costs.costs_command))

_incidents = typer.Typer(help="What was found broken.", invoke_without_command=True)
_incidents.callback(epilog="Example: airloop incidents --model flight_delay")(
    in_project(incidents.incidents_command)
)
_incidents.command(
    "resolve", epilog='Example: airloop incidents resolve 3 --as drift --reason "a new fleet"'
)(in_project(incidents.resolve_command))
app.add_typer(_incidents, name="incidents")

_token = typer.Typer(help="The prediction service's bearer token.", no_args_is_help=True)
_token.command("rotate", epilog="Example: airloop token rotate")(in_project(token.rotate_command))
_token.command("retire", epilog="Example: airloop token retire")(in_project(token.retire_command))
app.add_typer(_token, name="token")

_ledger = typer.Typer(help="The ledger's tables.", no_args_is_help=True)
_ledger.command("migrate", epilog="Example: airloop ledger migrate")(
    in_project(ledger.migrate_command)
)
app.add_typer(_ledger, name="ledger")

_lake = typer.Typer(help="The lake's tables.", no_args_is_help=True)
_lake.command("verify", epilog="Example: airloop lake verify flights")(
    in_project(lake.verify_command)
)
app.add_typer(_lake, name="lake")

_audit = typer.Typer(help="The ledger's history.", no_args_is_help=True)
_audit.command("verify", epilog="Example: airloop audit verify --json")(
    in_project(audit.verify_command)
)
_audit.command("anchor", epilog='Example: airloop audit anchor --reason "backup of Monday"')(
    in_project(audit.anchor_command)
)
app.add_typer(_audit, name="audit")

app.command("new", epilog="Example: airloop new flights --example flights")(project.new_command)
app.command("eject", epilog="Example: airloop eject train")(in_project(project.eject_command))
_dags = typer.Typer(help="Airflow's DAG files.", no_args_is_help=True)
_dags.command("write", epilog="Example: airloop dags write")(in_project(project.write_dags_command))
app.add_typer(_dags, name="dags")
app.command("upgrade", epilog="Example: airloop upgrade --check")(
    in_project(project.upgrade_command)
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"airloop {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """The closed MLOps loop on Apache Airflow: one machine, one command."""


def main(arguments: list[str] | None = None) -> None:
    """Run one command and end the process with its code."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    try:
        refuse_two()
        code: Any = app(args=arguments, standalone_mode=False)
    except AirloopError as error:
        _say(str(error))
        return 2 if isinstance(error, SpecError | RequestError) else 1
    except TyperException as error:
        # Its subclasses for wrong options and arguments know the better sentence.
        say: Any = getattr(error, "format_message", error.__str__)
        _say(say())
        return 2
    except (typer.Abort, KeyboardInterrupt):
        _say("interrupted")
        return 130
    except BrokenPipeError:
        # The reader went away: `airloop decisions | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        _say(
            f"{type(error).__name__}: {error}; this is a fault of Airloop, AIRLOOP_DEBUG=1 shows where"
        )
        return 1
    return code if isinstance(code, int) else 0


def _say(text: str) -> None:
    if not text.strip():
        return
    if os.environ.get("AIRLOOP_DEBUG"):
        traceback.print_exc()
    sys.stderr.write("airloop: " + " ".join(text.split()) + "\n")


__all__ = ["app", "main", "run"]
