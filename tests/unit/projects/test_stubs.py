"""Stubs: one a spec, written when what they are made from changes, and gone with their specs."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from airloop.cli.main import run
from airloop.ejection import eject
from airloop.errors import StorageFullError
from airloop.projects.creation import create
from airloop.projects.stub_folder import Origin, StubFolder, Written, governed, origin_of
from airloop.projects.stubs import STUBS, Plan, parse_interval, refresh_interval
from tests.support.projects import told_of


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return create(tmp_path / "mine", example="flights")


@pytest.fixture
def folder(project: Path, tmp_path: Path) -> StubFolder:
    origin = Origin(project, project / "config")
    return StubFolder(tmp_path / "there", origin, Plan(origin.config, project / "dags"))


OWN = tuple(f"project/airloop_{name}.py" for name in ("audit", "examine", "replay", "wake"))


def touch(path: Path) -> None:
    """Change a file without a word of it: later by a second, whatever the clock's grain."""
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 10**9))


def stub(name: str) -> str:
    return f"models/{name}.py"


def test_each_spec_has_a_stub_of_three_lines(folder: StubFolder) -> None:
    assert folder.write() == Written(
        7,
        ("datasets/flights.py", stub("flight_delay"), stub("flight_delay_torch"), *OWN),
        (),
    )
    lines = (folder.stubs / stub("flight_delay")).read_text().splitlines()
    code = [line for line in lines if line and not line.startswith(('"""', "#"))]
    assert code == ["from airloop_dags import build", "build('flight_delay')"]
    dataset = (folder.stubs / "datasets/flights.py").read_text()
    assert "build(dataset='flights')" in dataset
    # Airflow reads only files in which both words stand.
    assert "airflow" in dataset.lower()
    assert "dag" in dataset


def written(folder: StubFolder) -> dict[Path, tuple[int, int, int]]:
    """Which file each is, and when it was written; when it was read is no matter."""
    found = {path: path.stat() for path in folder.stubs.rglob("*.py")}
    return {path: (one.st_ino, one.st_size, one.st_mtime_ns) for path, one in found.items()}


def test_nothing_is_written_where_nothing_changed(folder: StubFolder) -> None:
    folder.write()
    before = written(folder)
    assert folder.write() == Written(7, (), ())
    assert written(folder) == before
    # Nor by another process, which remembers nothing.
    assert StubFolder(folder.folder, folder.origin, Plan(folder.origin.config, folder.plan.dags)).write() == (
        Written(7, (), ())
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "written"),
    [
        ("models/flight_delay.yaml", [stub("flight_delay")]),
        (
            "datasets/flights.yaml",
            ["datasets/flights.py", stub("flight_delay"), stub("flight_delay_torch")],
        ),
        (
            "environments/local.yaml",
            ["datasets/flights.py", stub("flight_delay"), stub("flight_delay_torch"), *OWN],
        ),
        (
            "airloop.yaml",
            ["datasets/flights.py", stub("flight_delay"), stub("flight_delay_torch"), *OWN],
        ),
        ("pools.json", []),
    ],
)
def test_a_stub_is_newer_than_what_it_is_made_from(
    changed: str, written: list[str], folder: StubFolder
) -> None:
    folder.write()
    for path in folder.stubs.rglob("*.py"):
        os.utime(path, (1, 1))
    began = time.time() - 1
    file = folder.origin.config / changed
    touch(file)
    assert folder.write().written == tuple(written)
    for path in written:
        assert (folder.stubs / path).stat().st_mtime > began
    assert folder.write().written == ()


def test_a_file_put_back_with_its_old_time_is_seen(folder: StubFolder) -> None:
    folder.write()
    spec = folder.origin.config / "models" / "flight_delay.yaml"
    spec.write_text(spec.read_text() + "\n")
    os.utime(spec, (1_000_000_000, 1_000_000_000))  # as rsync and tar do
    assert folder.write().written == (stub("flight_delay"),)
    assert (folder.stubs / stub("flight_delay")).stat().st_mtime > time.time() - 60


def test_a_model_that_moves_to_another_dataset_follows_that_one(folder: StubFolder) -> None:
    config = folder.origin.config
    shutil.copy(config / "datasets" / "flights.yaml", config / "datasets" / "others.yaml")
    folder.write()
    spec = config / "models" / "flight_delay.yaml"
    spec.write_text(spec.read_text().replace("dataset: flights", "dataset: others"))
    touch(spec)
    folder.write()
    touch(config / "datasets" / "flights.yaml")
    assert stub("flight_delay") not in folder.write().written
    touch(config / "datasets" / "others.yaml")
    assert folder.write().written == ("datasets/others.py", stub("flight_delay"))


def test_an_edit_of_the_projects_own_dag_file_reaches_every_stub(folder: StubFolder) -> None:
    folder.write()
    path = eject("train", folder.plan.dags)
    assert len(folder.write().written) == 7
    touch(path)
    assert len(folder.write().written) == 7


def test_the_stub_of_a_removed_spec_goes(folder: StubFolder) -> None:
    folder.write()
    (folder.origin.config / "models" / "flight_delay_torch.yaml").unlink()
    assert folder.write() == Written(6, (), (stub("flight_delay_torch"),))
    assert not (folder.stubs / stub("flight_delay_torch")).exists()


def test_a_spec_that_is_no_yaml_keeps_its_stub_and_harms_no_other(folder: StubFolder) -> None:
    folder.write()
    (folder.origin.config / "models" / "flight_delay.yaml").write_text("a: [")
    assert folder.write().written == (stub("flight_delay"),)
    assert folder.write() == Written(7, (), ())


def test_a_stub_that_somebody_changed_or_removed_is_written_again(folder: StubFolder) -> None:
    folder.write()
    (folder.stubs / stub("flight_delay")).write_text("raise SystemExit\n")
    (folder.stubs / "datasets" / "flights.py").unlink()
    assert not folder.complete()
    assert folder.write().written == ("datasets/flights.py", stub("flight_delay"))
    assert folder.complete()


def test_a_model_on_a_cluster_brings_the_dag_that_cleans_up(folder: StubFolder) -> None:
    folder.write()
    spec = folder.origin.config / "models" / "flight_delay.yaml"
    spec.write_text(spec.read_text().replace("compute: process", "compute: kubernetes"))
    touch(spec)
    assert "project/airloop_reconcile.py" in folder.write().written
    spec.write_text(spec.read_text().replace("compute: kubernetes", "compute: process"))
    touch(spec)
    assert folder.write().removed == ("project/airloop_reconcile.py",)


def test_a_stub_knows_its_project(folder: StubFolder, project: Path, tmp_path: Path) -> None:
    folder.write()
    assert origin_of(folder.stubs / stub("flight_delay")) == folder.origin
    assert origin_of(project / "dags" / "loop.py") is None
    assert governed(folder.folder)
    assert not governed(project / "dags")
    other = Origin(project, tmp_path / "config")
    StubFolder(folder.folder, other, folder.plan).write()
    assert origin_of(folder.stubs / stub("flight_delay")) == other


def test_stubs_in_the_project_move_with_it(project: Path, tmp_path: Path) -> None:
    origin = Origin(project, project / "config")
    StubFolder(project / "dags", origin, Plan(origin.config, project / "dags")).write()
    image = project.rename(tmp_path / "image")
    assert origin_of(image / "dags" / STUBS / stub("flight_delay")) == Origin(
        image, image / "config"
    )


def test_a_reader_never_sees_half_a_stub(folder: StubFolder) -> None:
    folder.write()
    path, ended, seen = folder.stubs / stub("flight_delay"), threading.Event(), set[str]()

    def read() -> None:
        while not ended.is_set():
            seen.add(path.read_text().splitlines()[-2])

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(100):
        touch(folder.origin.config / "models" / "flight_delay.yaml")
        folder.write()
    ended.set()
    reader.join()
    assert seen == {"build('flight_delay')"}
    assert [one.name for one in path.parent.iterdir() if one.suffix == ".new"] == []


def test_a_folder_that_takes_nothing_is_one_sentence(folder: StubFolder) -> None:
    folder.folder.write_text("a file in its place")
    with pytest.raises(StorageFullError, match="the DAG files of the specs cannot be written"):
        folder.write()


def test_intervals_follow_the_number_of_specs() -> None:
    assert [parse_interval(count) for count in (2, 100, 3_000)] == [60, 500, 15_000]
    assert [refresh_interval(count) for count in (2, 100, 3_000)] == [10, 10, 30]


def test_the_command_writes_them_where_airflow_reads_a_folder_only(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with told_of(project, tmp_path / "home"):
        assert run(["dags", "write"]) == 0
        assert "7 stubs in " in (said := capsys.readouterr().out)
        assert "7 written, 0 removed; a min_file_process_interval of 60 suits them" in said
        assert run(["dags", "write"]) == 0
        assert "0 written, 0 removed" in capsys.readouterr().out
        assert run(["dags", "write", str(tmp_path / "elsewhere")]) == 0
    assert (project / "dags" / STUBS / stub("flight_delay")).is_file()
    assert governed(tmp_path / "elsewhere")
