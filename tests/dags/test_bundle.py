"""The project's DAG bundle: each spec is parsed, refused and found by itself; the one-file way goes on beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airloop.ejection import eject
from airloop.projects.creation import create
from airloop.projects.stub_folder import Origin, StubFolder
from airloop.projects.stubs import STUBS, Plan
from tests.support.checkout import ROOT
from tests.support.projects import told_of

MODELS = ("flight_delay", "flight_delay_torch")
KINDS = ("train", "deploy", "monitor", "score")
OWN = {"airloop_audit", "airloop_examine", "airloop_replay", "airloop_wake"}
ALL = {"ingest_flights"} | OWN | {f"{kind}_{name}" for kind in KINDS for name in MODELS}


def of(name: str) -> set[str]:
    return {f"{kind}_{name}" for kind in KINDS}


@pytest.fixture
def project(tmp_path: Path, test_client: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project of its own, and a storage of bundles."""
    made = create(tmp_path / "mine", example="flights")
    storage = "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH"
    monkeypatch.setenv(storage, str(tmp_path / "bundles"))
    monkeypatch.delenv("AIRLOOP_CONFIG", raising=False)
    with told_of(made, tmp_path / "home"):
        yield made


def bundle(name: str = "airloop", **kwargs: Any) -> Any:
    from airloop_operators.bundle import ProjectBundle

    made = ProjectBundle(name=name, **kwargs)
    made.initialize()
    made.refresh()
    return made


def parse(made: Any) -> Any:
    """All files of a bundle, read as the DAG processor does."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(made.path, bundle_path=made.path, bundle_name=made.name)


def test_every_dag_comes_from_the_stub_of_its_spec(project: Path) -> None:
    bag = parse(bundle())
    assert (bag.import_errors, set(bag.dags)) == ({}, ALL)
    for name in MODELS:
        files = {bag.dags[dag_id].relative_fileloc for dag_id in of(name)}
        assert files == {f"{STUBS}/models/{name}.py"}
    assert bag.dags["ingest_flights"].relative_fileloc == f"{STUBS}/datasets/flights.py"


def test_each_broken_spec_is_one_import_error_with_its_whole_message(project: Path) -> None:
    model = project / "config" / "models" / "flight_delay.yaml"
    model.write_text(model.read_text() + "holydays: none\n")
    shutil.copy(model, model.with_name("Not-A-Name.yaml"))
    model.with_name(".#flight_delay.yaml").write_text("an editor's lock")
    bag = parse(bundle())
    assert set(bag.dags) == ALL - of("flight_delay")
    assert set(bag.import_errors) == {
        f"{STUBS}/models/flight_delay.py",
        f"{STUBS}/models/Not-A-Name.py",
    }
    said = bag.import_errors[f"{STUBS}/models/flight_delay.py"].splitlines()
    assert said[-1].startswith("airloop.errors.SpecError: ")
    assert "holydays" in said[-1]
    assert f"{model}, line " in said[-1]
    assert len(said) < 10
    said = bag.import_errors[f"{STUBS}/models/Not-A-Name.py"].splitlines()
    assert "the file's name is no name of a spec; got 'Not-A-Name'" in said[-1]


def test_a_broken_dataset_stops_only_what_depends_on_it(project: Path) -> None:
    config = project / "config"
    text = (config / "datasets" / "flights.yaml").read_text()
    (config / "datasets" / "others.yaml").write_text(text.replace("name: flights", "name: others"))
    other = config / "models" / "flight_delay_torch.yaml"
    other.write_text(other.read_text().replace("dataset: flights", "dataset: others"))
    (config / "datasets" / "flights.yaml").write_text("description: [")
    bag = parse(bundle())
    assert set(bag.import_errors) == {
        f"{STUBS}/datasets/flights.py",
        f"{STUBS}/models/flight_delay.py",
    }
    assert set(bag.dags) == {"ingest_others"} | OWN | of("flight_delay_torch")


def test_a_task_builds_its_own_dag_alone(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.dag_processing.dagbag import DagBag

    made = bundle()
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "train_flight_delay")
    assert set(DagBag(made.path / STUBS / "models" / "flight_delay.py").dags) == {
        "train_flight_delay"
    }


def test_a_worker_elsewhere_finds_the_stub_of_a_new_spec(project: Path, tmp_path: Path) -> None:
    from airloop_operators.bundle import ProjectBundle

    bundle()
    shutil.copy(
        project / "config" / "datasets" / "flights.yaml",
        project / "config" / "datasets" / "fresh.yaml",
    )
    worker = ProjectBundle(name="airloop")
    worker.initialize()
    assert (worker.path / STUBS / "datasets" / "fresh.py").is_file()


def test_an_ejected_kind_is_built_by_the_projects_file_a_model_at_a_time(project: Path) -> None:
    path = eject("train", project / "dags")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('task_id="claim"', 'task_id="take"'), encoding="utf-8")
    bag = parse(bundle())
    assert (bag.import_errors, set(bag.dags)) == ({}, ALL)
    for name in MODELS:
        dag = bag.dags[f"train_{name}"]
        assert "take" in dag.task_ids
        assert dag.relative_fileloc == f"{STUBS}/models/{name}.py"


def test_a_dag_file_of_the_projects_own_is_there_and_finds_what_lies_beside_it(
    project: Path,
) -> None:
    (project / "dags" / "shared.py").write_text("OWNER = 'me'\n")
    (project / "dags" / "own.py").write_text(
        "from airflow.sdk import DAG\nimport shared\n\n"
        "with DAG('own', schedule=None, default_args={'owner': shared.OWNER}):\n    pass\n"
    )
    made = bundle()
    found = subprocess.run(
        [sys.executable, "-c", _BUNDLE_BAG, str(made.path)],
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.splitlines()[-1] == "{} own"
    (project / "dags" / "own.py").unlink()
    made.refresh()
    assert not (made.path / "own.py").is_symlink()


_BUNDLE_BAG = """
import sys
from pathlib import Path
from airflow.dag_processing.dagbag import BundleDagBag
root = Path(sys.argv[1])
bag = BundleDagBag(root / "own.py", bundle_path=root, bundle_name="airloop")
print(bag.import_errors, *bag.dags)
"""


def test_one_file_for_all_goes_on_where_there_are_no_stubs(project: Path) -> None:
    from airflow.dag_processing.dagbag import DagBag

    assert set(DagBag(project / "dags").dags) == ALL
    origin = Origin(project, project / "config")
    StubFolder(project / "dags", origin, Plan(origin.config, project / "dags")).write()
    bag = DagBag(project / "dags", bundle_path=project / "dags")
    assert (bag.import_errors, set(bag.dags)) == ({}, ALL)
    assert {dag.relative_fileloc.split("/")[0] for dag in bag.dags.values()} == {STUBS}
    # And a bundle beside them makes its own, not two of each.
    again = parse(bundle())
    assert (again.import_errors, set(again.dags)) == ({}, ALL)


def test_each_team_has_the_dags_of_its_own_project(project: Path, tmp_path: Path) -> None:
    theirs = create(tmp_path / "theirs", example="flights")
    (theirs / "config" / "models" / "flight_delay_torch.yaml").unlink()
    (theirs / "config" / "models" / "flight_delay.yaml").rename(
        theirs / "config" / "models" / "late.yaml"
    )
    text = (theirs / "config" / "models" / "late.yaml").read_text()
    (theirs / "config" / "models" / "late.yaml").write_text(
        text.replace("name: flight_delay\n", "name: late\n")
    )
    ours, others = bundle("ours"), bundle("others", project=str(theirs))
    assert ours.path != others.path
    assert set(parse(others).dags) == {"ingest_flights"} | OWN | of("late")
    assert set(parse(ours).dags) == ALL


def versioned(path: str, **kwargs: Any) -> Any:
    """A bundle as git's is, as far as a bundle around it can see."""
    from airflow.dag_processing.bundles.base import BundleVersion
    from airflow.dag_processing.bundles.local import LocalDagBundle

    class Versioned(LocalDagBundle):
        supports_versioning = True

        def get_current_version(self) -> Any:
            return BundleVersion(self.version or "newest")

    return Versioned(path=path, **kwargs)


def test_a_source_gives_the_project_and_its_version(project: Path) -> None:
    local = "airflow.dag_processing.bundles.local.LocalDagBundle"
    source = {"classpath": local, "kwargs": {"path": str(project / "dags")}}
    made = bundle("versioned", source=source)
    assert made.path.parent == project / "dags"
    assert set(parse(made).dags) == ALL
    assert (made.supports_versioning, made.get_current_version()) == (False, None)
    git = {"classpath": f"{__name__}.versioned", "kwargs": {"path": str(project / "dags")}}
    kept = bundle("kept", source=git, version="seven")
    assert kept.supports_versioning
    assert kept.get_current_version().version == "seven"


def test_the_parent_of_all_parses_keeps_no_spec_and_no_setting(project: Path) -> None:
    from airloop.settings import load_settings
    from airloop.specs import load_catalog

    bundle()
    assert load_settings.cache_info().currsize == 0
    assert load_catalog.cache_info().currsize == 0


def test_a_parse_imports_nothing_that_was_not_there_before_the_fork(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FORKED],
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=True,
    )
    said = done.stdout.splitlines()[-1].split()
    assert [one for one in said if not one.startswith("unusual_prefix")] == ["4", "airflow.version"]


_FORKED = """
import sys
from airflow.dag_processing.manager import DagFileProcessorManager
from airflow.dag_processing.processor import DagFileParseRequest, _parse_file
import structlog
from airloop_operators.bundle import ProjectBundle
bundle = ProjectBundle(name="airloop")
bundle.initialize()
bundle.refresh()
before = set(sys.modules)
file = bundle.path / "airloop_stubs" / "models" / "flight_delay.py"
request = DagFileParseRequest(file=str(file), bundle_path=bundle.path, bundle_name="airloop")
found = _parse_file(request, structlog.get_logger())
assert not found.import_errors, found.import_errors
print(len(found.serialized_dags), *sorted(set(sys.modules) - before))
"""
