"""What a command line, a DAG file or an operator loads: counted in modules, since seconds depend on the machine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pytest

from tests.support.checkout import ROOT

#: What none of them may load: each costs a good part of a second, some several.
HEAVY = {
    *("pandas", "numpy", "pyarrow", "deltalake", "sklearn", "scipy", "torch", "onnxruntime"),
    *("mlflow", "great_expectations", "evidently", "bentoml", "fastapi", "optuna", "matplotlib"),
    *("kubernetes", "alembic", "ray"),
}
#: A command may know neither a database nor a client before it needs one. Airflow brings both by itself.
OF_COMMANDS = {"sqlalchemy", "httpx", "airflow"}
OPERATORS = (
    *("approval", "base", "delivery", "ingestion", "monitoring", "plugin", "scoring", "segments"),
    *("training", "tuning"),
)
COUNT = """
import importlib, os, sys
for name in sys.argv[2:]:
    importlib.import_module(name)
before = set(sys.modules)
for name in sys.argv[1].split(","):
    if os.fork() == 0:
        importlib.import_module(name)
        print("loads", name, *sorted(set(sys.modules) - before), flush=True)
        os._exit(0)
    if os.wait()[1]:
        sys.exit(f"{name} cannot be imported")
"""


def loaded(modules: Sequence[str], *first: str) -> dict[str, set[str]]:
    """The modules that importing each loads, beside those of what is there anyway, which is imported once for all."""
    argv = [sys.executable, "-W", "ignore", "-c", COUNT, ",".join(modules), *first]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=280, check=True)
    told = [line.split() for line in done.stdout.splitlines() if line.startswith("loads ")]
    return {name: set(found) for _, name, *found in told}


@pytest.fixture(scope="module")
def by_operator() -> dict[str, set[str]]:
    return loaded([f"airloop_operators.{name}" for name in OPERATORS], "airflow.sdk")


def tops(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def test_the_command_line_loads_no_library_that_only_some_command_needs() -> None:
    found = loaded(["airloop.cli.main"])["airloop.cli.main"]
    assert not tops(found) & (HEAVY | OF_COMMANDS)
    # Its parser, its tables and pydantic: 450 modules when this was written.
    assert len(found) < 550


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_loads_little_beside_airflow(
    name: str, by_operator: dict[str, set[str]]
) -> None:
    found = by_operator[f"airloop_operators.{name}"]
    assert not tops(found) & HEAVY
    # 73 to 113 modules when this was written, up to 161 now: each section of a spec is one more, and none is heavy.
    assert len(found) < 170


def test_the_service_s_supervisor_knows_no_database() -> None:
    """It imports what its worker does, and is through before the worker begins."""
    name = "airloop.serving.assembly"
    assert "sqlalchemy" not in tops(loaded([name])[name])


def test_control_a_library_that_a_step_needs_is_seen() -> None:
    assert "pandas" in tops(loaded(["airloop.steps.ingest"])["airloop.steps.ingest"])
