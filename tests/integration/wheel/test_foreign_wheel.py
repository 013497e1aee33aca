"""The wheel of docs/extend.md, built as it stands there: it runs the loop without an edit to Airloop."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.integration.wheel.conftest import Wheel, uv
from tests.support.checkout import ROOT
from tests.support.environments import library_environment

PAGE = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8")
#: A file of the page: its name, and some lines on, its text.
BLOCK = r"`{}`[^`]*(?:`[^`\n]+`[^`]*)*?```\w+\n(.*?)```"
IN_THE_WHEEL = (
    "pyproject.toml",
    *(
        f"airloop_harbour/{name}.py"
        for name in ("source", "metric", "gate", "trainer", "executor", "alert", "rollout")
    ),
)
IN_THE_PROJECT = (
    *("config/datasets/ships.yaml", "config/models/arrival.yaml", "config/airloop.yaml"),
    *("include/harbour/arrival.py", "include/harbour/judging.py"),
)
DAYS = [f"2024-03-0{day}" for day in range(1, 7)]
#: Ingest, train, gate by the executor, ring: what the operators do, without Airflow.
LOOP = """
import json, sys
from airloop.alerts import sending
from airloop.contracts import (DriftReport)
from airloop.exchange import keys
from airloop.execution.runner import StepRunner
from airloop.ledger import open_ledger
from airloop.settings import load_settings
from airloop.specs import load_catalog
from airloop.vocabulary import (Action, Topic, Triage)

settings, catalog = load_settings(), load_catalog()
ledger, model = open_ledger(settings), catalog.model("arrival")
lines = []

def step(name, request, model=None):
    fence = ledger.begin_attempt(f"{name}:x")
    return StepRunner(settings, lines.append, model=model).run(name, fence, request)

days = json.loads(sys.argv[1])
ingested = step("ingest", {"dataset": "ships", "partitions": days})
trained = step("train", {"model": "arrival", "reason": "a test"}, model)
judged = step("evaluate", {"candidate": trained["candidate"]}, model)
report = DriftReport(model="arrival", partition=days[-1], reference_rows=1, current_rows=1,
    features=(), triage=Triage.INCIDENT, reason="the sea is gone")
decision = ledger.record_decision(
    entity="arrival", topic=Topic.RETRAINING, action=Action.ALERT, reason="r")
told = [sending.send(settings, ledger, report, decision) for _ in range(2)]
print(json.dumps({
    "rows": ingested["dataset"]["rows"], "metrics": trained["candidate"]["metrics"],
    "checks": {one["name"]: one["outcome"] for one in judged["report"]["checks"]},
    "reasons": {one["name"]: one["reason"] for one in judged["report"]["checks"]}, "told": told,
}))
"""


def of_the_page(name: str) -> str:
    found = re.search(BLOCK.format(re.escape(name)), PAGE, re.DOTALL)
    assert found is not None, name
    return found.group(1)


def write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(of_the_page(name), encoding="utf-8")


@pytest.fixture(scope="module")
def harbour(wheel: Wheel, tmp_path_factory: pytest.TempPathFactory) -> Wheel:
    """An environment with Airloop's wheel and the foreign one, built from the page."""
    folder = tmp_path_factory.mktemp("harbour")
    write(folder / "source", *IN_THE_WHEEL)
    (folder / "source" / "airloop_harbour" / "__init__.py").touch()
    built = ("--no-build-isolation", "--python", sys.executable, "--wheel", "--out-dir")
    uv("build", *built, folder / "dist", folder / "source")
    [foreign] = (folder / "dist").glob("*.whl")
    python = library_environment(folder / "env")
    uv(
        "pip",
        "install",
        "--python",
        python,
        "--no-deps",
        "--no-index",
        wheel.files[".whl"],
        foreign,
    )
    return Wheel({".whl": foreign}, python)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write(tmp_path, *IN_THE_PROJECT)
    (tmp_path / "config" / "environments").mkdir()
    (tmp_path / "config" / "environments" / "local.yaml").write_text("{}\n")
    return tmp_path


def told(harbour: Wheel, *arguments: str, project: Path) -> subprocess.CompletedProcess[str]:
    uri = f"sqlite:///{project / 'mlflow.db'}"
    path = f"{harbour.python.parent}:{os.environ['PATH']}"
    return harbour.run(*arguments, cwd=project, project=project, AIRLOOP__MLFLOW_URI=uri, PATH=path)


def test_it_is_listed_beside_what_is_built_in(harbour: Wheel, project: Path) -> None:
    done = told(harbour, "-m", "airloop", "plugins", "--json", project=project)
    assert done.returncode == 0, done.stderr
    foreign = {
        (row["kind"], row["name"], row["version"], row["error"])
        for row in json.loads(done.stdout)
        if row["distribution"] == "airloop-harbour"
    }
    assert foreign == {
        ("source", "tides", "1.0.0", ""),
        ("gate", "rare_alarms", "1.0.0", ""),
        ("metric", "missed_ships", "1.0.0", ""),
        ("trainer", "centroid", "1.0.0", ""),
        ("executor", "tugboat", "1.0.0", ""),
        ("alert route", "bell", "1.0.0", ""),
        ("delivery strategy", "tide", "1.0.0", ""),
    }


def test_it_keeps_every_contract(harbour: Wheel, tmp_path: Path) -> None:
    write(tmp_path, "test_harbour.py")
    done = harbour.run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


def test_it_runs_ingest_train_gate_executor_and_alert(harbour: Wheel, project: Path) -> None:
    done = told(harbour, "-c", LOOP, json.dumps(DAYS), project=project)
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["rows"] == 200 * len(DAYS)
    assert 0 < said["metrics"]["missed_ships"] < 2
    assert said["checks"].pop("rare_alarms") == "ok", said["reasons"]
    assert {said["reasons"][name] for name, one in said["checks"].items() if one != "ok"} == set()
    assert said["told"] == ["announced", "announced before"]
    [rung] = (project / "pier.log").read_text().splitlines()
    assert json.loads(rung)["reason"] == "the sea is gone"


def test_a_step_of_the_projects_own_stands_for_the_built_in_one(
    harbour: Wheel, project: Path
) -> None:
    path = project / "config" / "models" / "arrival.yaml"
    path.write_text(path.read_text() + "steps: {evaluate: harbour.judging}\n")
    weekend = [f"2024-03-0{day}" for day in range(4, 10)]
    done = told(harbour, "-c", LOOP, json.dumps(weekend), project=project)
    assert done.returncode != 0
    assert "GateError: the last day of the holdout is a weekend" in done.stderr


def test_check_says_where_it_is_missing(harbour: Wheel, project: Path) -> None:
    done = told(harbour, "-m", "airloop", "check", "--json", project=project)
    assert json.loads(done.stdout) == []
    path = project / "config" / "models" / "arrival.yaml"
    spec = yaml.safe_load(path.read_text())
    bare = project / "bare" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", project / "bare"], check=True)
    path.write_text(yaml.safe_dump(spec | {"environment": {"python": str(bare)}}))
    done = told(harbour, "-m", "airloop", "check", "--json", project=project)
    [problem] = json.loads(done.stdout)
    assert problem["severity"] == "error"
    assert problem["key"] == "training.trainer"
    assert problem["what"] == (
        "the trainer centroid is airloop-harbour 1.0.0, the model's environment lacks it; "
        f"got {str(bare)!r}; {bare} -m pip install airloop-harbour==1.0.0"
    )


def test_without_the_wheel_only_its_specs_are_wrong(wheel: Wheel, project: Path) -> None:
    done = wheel.run("-m", "airloop", "check", "--json", cwd=project, project=project)
    found = {problem["key"]: problem["what"] for problem in json.loads(done.stdout)}
    assert set(found) >= {"source.kind", "training.trainer", "gates.primary", "compute.kind"}
    assert "not one of the values it may have; got 'tides'" in found["source.kind"]
