"""`airloop check`: every issue in the config folder, with its place and its remedy."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from airloop.check.cluster import found_lines
from airloop.check.history import history_lines
from airloop.check.problems import Problem
from airloop.check.specs import check
from airloop.check.trying import tried
from airloop.console import err
from airloop.settings import load_settings
from airloop.specs.catalog import Catalog, load_catalog


def check_command(
    config: Annotated[
        Path | None,
        typer.Option(
            help="The folder to check; AIRLOOP_CONFIG or the checkout's config/ without it."
        ),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Read no source: try the models on made-up rows.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the problems as JSON.")] = False,
) -> None:
    """Check every spec and setting, and print all that is wrong with file, key, value and remedy.

    Where the files are right, it tries what it can without training: it reads the first rows of each source, makes the
    features, builds each estimator and looks whether what it holds could be stored.
    """
    catalog = load_catalog() if config is None else Catalog(config.absolute())
    problems = check(catalog)
    if not any(problem.severity == "error" for problem in problems):
        with err.status("trying the models"):
            problems += tried(catalog, offline=offline)
    errors = [problem for problem in problems if problem.severity == "error"]
    if as_json:
        sys.stdout.write(json.dumps([_record(problem) for problem in problems], indent=2) + "\n")
    else:
        _print(problems, catalog.folder)
    if errors:
        if not as_json:
            _say(
                f"{_count(len(errors), 'error')} in {_count(len({e.file for e in errors}), 'file')}"
            )
        raise typer.Exit(2)
    if not as_json:
        _say_fine(catalog)
        settings = load_settings()
        for line in found_lines(settings, catalog):
            _say(_plain(f"cluster: {line}"))
        for line in history_lines(settings):
            _say(_plain(f"ledger: {line}"))


def _print(problems: list[Problem], folder: Path) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for problem in problems:
        wrong = problem.severity == "error"
        line = Text()
        line.append(_short(problem.where, folder), style="bold")
        line.append("  ")
        line.append("error" if wrong else "note", style="red" if wrong else "yellow")
        line.append(f"  {_plain(problem.key)}" if problem.key else "", style="cyan")
        console.print(line)
        console.print(Text("    " + _plain(problem.sentence)))


def _short(where: str, folder: Path) -> str:
    """The place relative to the folder above config, as it is written in a shell there."""
    root = f"{folder.parent}/"
    return _plain(where.removeprefix(root))


def _plain(text: str) -> str:
    """One line without control characters: a spec must not be able to move the terminal's cursor."""
    return "".join(char if char.isprintable() else "�" for char in " ".join(text.split()))


def _record(problem: Problem) -> dict[str, object]:
    return {
        "severity": problem.severity,
        "file": problem.file,
        "line": problem.line,
        "key": problem.key,
        "what": problem.sentence,
    }


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _say_fine(catalog: Catalog) -> None:
    datasets, models = len(catalog.dataset_names()), len(catalog.model_names())
    verb = "is" if datasets + models == 1 else "are"
    sys.stdout.write(
        f"{_count(datasets + models, 'spec')} {verb} fine: "
        f"{_count(datasets, 'dataset')}, {_count(models, 'model')}\n"
    )
