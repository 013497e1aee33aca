"""A DAG file that the project ejected: it stands beside dags/loop.py, each DAG is built once, and an edit is seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airloop.ejection import KINDS, eject
from airloop.projects.creation import create
from tests.dags.conftest import LoadDags
from tests.support.projects import told_of

ALL = {f"ingest_{name}" for name in ("flights",)} | {
    f"{kind}_{name}" for kind in KINDS[1:] for name in ("flight_delay", "flight_delay_torch")
}
ALL |= {"airloop_audit", "airloop_examine", "airloop_replay", "airloop_wake"}


@pytest.fixture
def dags(tmp_path: Path, test_client: None) -> Iterator[Path]:
    """The DAG folder of a project of its own."""
    made = create(tmp_path / "mine", example="flights")
    with told_of(made, tmp_path / "home"):
        yield made / "dags"


def test_before_all_dags_come_from_the_package(dags: Path, load_dags: LoadDags) -> None:
    loaded = load_dags(dags)
    assert loaded.keys() == ALL


@pytest.mark.parametrize("kind", KINDS)
def test_an_ejected_kind_is_built_once_and_by_the_projects_file(
    kind: str, dags: Path, load_dags: LoadDags
) -> None:
    path = eject(kind, dags)
    # Each alone, and both: Airflow would report a DAG of two files as an import error.
    assert load_dags(dags).keys() == ALL
    own = load_dags(path)
    assert own.keys() == {name for name in ALL if name.startswith(f"{kind}_")}
    assert load_dags(dags / "loop.py").keys() == ALL - own.keys()


def test_an_edit_in_it_is_seen(dags: Path, load_dags: LoadDags) -> None:
    path = eject("train", dags)
    text = path.read_text(encoding="utf-8")
    assert 'task_id="claim"' in text
    path.write_text(text.replace('task_id="claim"', 'task_id="take"'), encoding="utf-8")
    loaded = load_dags(dags)
    assert "take" in loaded["train_flight_delay"].task_ids
    assert "claim" not in loaded["train_flight_delay"].task_ids
    assert loaded.keys() == ALL


def test_a_file_without_its_marker_is_an_import_error_with_one_clear_sentence(dags: Path) -> None:
    from airflow.dag_processing.dagbag import DagBag

    path = eject("train", dags)
    path.write_text("\n".join(path.read_text(encoding="utf-8").splitlines()[1:]))
    bag = DagBag(dags)
    (error,) = [text for file, text in bag.import_errors.items() if Path(file).name == "loop.py"]
    assert "not the marker of an ejected one" in error
    assert "rename it, or make it anew by `airloop eject train`" in error
