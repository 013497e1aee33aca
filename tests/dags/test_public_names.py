"""What users may import: the public packages' names, pinned, and the one place of the version."""

from __future__ import annotations

import re
import subprocess
from importlib import import_module
from importlib.metadata import version

import pytest

import airloop
from tests.support.checkout import ROOT

PUBLIC = {
    "airloop": ["__version__"],
    "airloop.ledger": ["Ledger", "open_ledger"],
    "airloop.plugins": [
        "Alert",
        "AlertRoute",
        "AlertSpec",
        "ExecutorSpec",
        "GateSpec",
        "MeanMetric",
        "Metric",
        "Move",
        "NoOptions",
        "Output",
        "OutputKind",
        "Rollout",
        "RolloutSpec",
        "Source",
        "SourceSpec",
        "Stage",
        "Standing",
        "Verdict",
    ],
    "airloop.specs": ["Catalog", "DatasetSpec", "ModelSpec", "load_catalog"],
    "airloop_dags": ["KINDS", "build", "each"],
    "airloop_operators": [
        "ApproveModelOperator",
        "ClaimTriggerOperator",
        "DivideSegmentsOperator",
        "EvaluateModelOperator",
        "IngestDatasetOperator",
        "ModelsToReplayOperator",
        "MonitorModelOperator",
        "OpenStudyOperator",
        "PromoteModelOperator",
        "RecheckDatasetOperator",
        "RegisterModelOperator",
        "ReplayModelOperator",
        "RunTrialsOperator",
        "ScoreDatasetOperator",
        "TrainModelOperator",
        "TrainSegmentsOperator",
        "VerifyModelOperator",
    ],
}
#: Names of packages that ended with 0.1: `include.models.x`, `operators.training`, but no file `operators.yaml`.
OLD = r"\b(include|operators)\.(?!yaml|json)\w"
#: Airflow's own modules; the table of renames and its tests, which must know a user's names of old.
ALLOWED = re.compile(
    r"airflow\.providers\.[\w.]*operators\."
    r"|^include/airloop/renames\.py:|^tests/.*\binclude\.(models|own)\."
)
HISTORY = ["CHANGELOG.md", "docs/adr", "tests/golden", "tests/dags/test_public_names.py"]


@pytest.mark.parametrize("package", PUBLIC)
def test_a_public_package_offers_these_names(package: str) -> None:
    module = import_module(package)
    assert sorted(module.__all__) == PUBLIC[package]
    assert all(getattr(module, name) is not None for name in module.__all__)


@pytest.mark.parametrize("package", ["airloop", "airloop_dags", "airloop_operators"])
def test_a_package_says_that_it_is_typed(package: str) -> None:
    (folder,) = import_module(package).__path__
    assert (ROOT / folder / "py.typed").is_file()


def test_a_name_that_is_not_offered_is_said_to_be_missing() -> None:
    with pytest.raises(AttributeError, match="no attribute 'GuessModelOperator'"):
        import_module("airloop_operators").GuessModelOperator  # noqa: B018


def test_the_version_stands_in_one_place() -> None:
    assert version("airloop") == airloop.__version__


def old_names(lines: str) -> list[str]:
    return [line for line in lines.splitlines() if not ALLOWED.search(line)]


def test_nothing_names_the_packages_of_old() -> None:
    excluded = [f":!{path}" for path in HISTORY]
    argv = ["git", "grep", "-nP", OLD, "--", ".", *excluded]
    found = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode in {0, 1}, found.stderr
    assert old_names(found.stdout) == []


def test_control_an_old_name_is_found() -> None:
    lines = (
        "docs/x.md:3:python -m include.steps\n"
        "tests/y.py:1:from airflow.providers.standard.operators.hitl import ApprovalOperator\n"
    )
    assert old_names(lines) == ["docs/x.md:3:python -m include.steps"]
    assert re.search(OLD, "include.steps")
    assert not re.search(OLD, "operators.yaml")
