"""`airloop new`, `eject`, `dags write`, `upgrade`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from airloop import paths
from airloop.console import err, out
from airloop.errors import RequestError


def new_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="An empty or a new folder.")],
    example: Annotated[
        str | None, typer.Option(help="Bring a packaged project: flights, the one of the demo.")
    ] = None,
) -> None:
    """Make a project of one's own: settings, one DAG file, a package for the models, tests."""
    from airloop.projects.creation import create
    from airloop.projects.installation import checkout

    made = create(folder, example=example)
    out.print(f"made {made}; its README.md says what comes next", soft_wrap=True)
    if example and (root := checkout()):
        err.print(
            f"this Airloop runs from {root}, whose package {example} hides the project's: install the wheel to "
            "work in it (`make dist` there)",
            soft_wrap=True,
        )


def eject_command(
    kind: Annotated[str, typer.Argument(help="ingest, train, deploy, monitor or score.")],
) -> None:
    """Copy a packaged DAG file into the project's dags/: from then on it is the project's to change."""
    from airloop.ejection import eject

    path = eject(kind, paths.dags_folder())
    out.print(f"{path} is this project's now; the packaged one is left out", soft_wrap=True)


def write_dags_command(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="The project's dags/ without it.")
    ] = None,
) -> None:
    """Write the DAG file of each spec where Airflow reads a folder only; again after each change of config/."""
    from airloop.projects.stub_folder import Origin, StubFolder
    from airloop.projects.stubs import Plan, parse_interval

    origin = Origin(paths.root(), paths.config_folder())
    there = StubFolder(
        (folder or paths.dags_folder()).absolute(), origin, Plan(origin.config, paths.dags_folder())
    )
    found = there.write()
    out.print(
        f"{found.stubs} stubs in {there.stubs}: {len(found.written)} written, {len(found.removed)} removed; "
        f"a min_file_process_interval of {parse_interval(found.stubs)} suits them",
        soft_wrap=True,
        highlight=False,
    )


def upgrade_command(
    check: Annotated[
        bool, typer.Option("--check", help="Name what there is to do; change nothing.")
    ] = False,
) -> int:
    """Name what this version of Airloop changes for the project. Exit code 1 if there is something to do."""
    from airloop.projects.upgrade import findings

    if not check:
        raise RequestError(
            "Airloop changes no project by itself", remedy="run `airloop upgrade --check`"
        )
    found = findings(paths.root())
    for finding in found:
        out.print(str(finding), soft_wrap=True, highlight=False, markup=False)
    if not found:
        out.print("this project needs nothing")
    return 1 if found else 0
