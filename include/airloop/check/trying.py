"""Sources and models that were tried: what `airloop check` finds beyond the files themselves."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from airloop.check.problems import Problem
from airloop.errors import AirloopError
from airloop.execution.executor import executor_of
from airloop.execution.interpreter import check_interpreter
from airloop.paths import PROJECT, root
from airloop.specs.catalog import Catalog
from airloop.specs.model import ModelSpec
from airloop.specs.yaml.document import read_document

#: How long one dataset or model may take, in seconds.
PATIENCE = 120.0
#: A few rows need one thread; more would spin on a busy machine for longer than the fit takes.
_FEW = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
_FOLDERS = {"dataset": "datasets", "model": "models"}


def tried(catalog: Catalog, *, offline: bool = False) -> list[Problem]:
    """What came of trying every sound model that would be trained on this machine.

    The source of its dataset gives its first rows, its module makes features of them, and its trainer rehearses: no
    training, seconds a model.

    :param offline: whether no source is read; rows are made up then
    """
    found: list[Problem] = []
    by_python: dict[str, list[ModelSpec]] = {}
    for entry in catalog.models():
        if entry.spec is None or not executor_of(entry.spec.compute)[0].local:
            continue
        environment = entry.spec.environment
        named = environment.python if environment is not None else None
        try:
            if named is not None:
                check_interpreter(named)
        except AirloopError as error:
            found.append(_problem(catalog, f"model:{entry.name}", _untried(error)))
        else:
            by_python.setdefault(named or sys.executable, []).append(entry.spec)
    for python, models in by_python.items():
        datasets = [] if offline else sorted({model.dataset for model in models})
        units = [f"dataset:{name}" for name in datasets]
        units += [f"model:{model.name}" for model in models]
        found += [_problem(catalog, unit, one) for unit, one in _run(python, units, catalog)]
    unique = {(str(one), one.severity): one for one in found}
    return list(unique.values())


def _run(
    python: str, units: Sequence[str], catalog: Catalog
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every unit's findings; a child that ends or hangs is its unit's fault, and another goes on behind it."""
    left, read = list(units), list[str]()
    while left:
        # A new child needs the rows that the one before had read.
        child, unit = _start(python, [*read, *left], catalog), left[0]
        try:
            for line in _lines(child):
                unit = line["unit"]
                if "found" in line and unit in left:
                    left.remove(unit)
                    read += [unit] if unit.startswith("dataset:") else []
                    yield from ((unit, one) for one in line["found"])
            silent = child.poll() is None
        finally:
            _end(child)
        if unit in read:
            read.remove(unit)
        elif left:
            left.remove(unit)
            yield unit, _ended(child.returncode, silent=silent)


def _ended(code: int, *, silent: bool) -> dict[str, Any]:
    if silent:
        what = f"could not be tried within {PATIENCE:.0f} s"
        return {"key": "", "what": what, "severity": "notice"}
    what = f"its code ended the process that tried it (exit code {code})"
    return {"key": "", "what": what, "severity": "error"}


def _start(python: str, units: Sequence[str], catalog: Catalog) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [python, "-m", "airloop.check.trial", *units],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=root(),
        env=os.environ | _FEW | {PROJECT: str(root()), "AIRLOOP_CONFIG": str(catalog.folder)},
        process_group=0,
    )


def _lines(child: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    """What the child tells, until it ends or is silent for too long."""
    assert child.stdout is not None  # noqa: S101 (it was started with a pipe)
    handle, waiting = child.stdout.fileno(), b""
    with selectors.DefaultSelector() as selector:
        selector.register(handle, selectors.EVENT_READ)
        while selector.select(PATIENCE):
            if not (read := os.read(handle, 65_536)):
                child.wait(PATIENCE)
                return
            *whole, waiting = (waiting + read).split(b"\n")
            yield from map(json.loads, whole)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    if child.stdout is not None:
        child.stdout.close()


def _untried(error: AirloopError) -> dict[str, Any]:
    return {"key": "environment.python", "what": f"not tried: {error}", "severity": "notice"}


def _problem(catalog: Catalog, unit: str, found: dict[str, Any]) -> Problem:
    kind, _, name = unit.partition(":")
    path: Path = catalog.folder / _FOLDERS[kind] / f"{name}.yaml"
    key = found["key"]
    line = read_document(path).line((key.split("[")[0],)) if key else None
    return Problem(
        found["what"],
        str(path),
        line,
        key,
        found.get("value"),
        found.get("remedy", ""),
        tuple(found.get("valid", ())),
        found["severity"],
    )
