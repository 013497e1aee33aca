"""DAG files that a project owns: copied with a marker, never over another file, named by `status`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airloop.check.specs import check
from airloop.cli import main
from airloop.ejection import KINDS, MARKER, eject, owned
from airloop.errors import RequestError, SpecError
from airloop.projects.creation import create
from airloop.specs.catalog import Catalog
from tests.support.projects import told_of


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    made = create(tmp_path / "shop")
    with told_of(made, tmp_path / "home"):
        yield made


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_bears_its_marker_and_builds_the_projects_dags(kind: str, project: Path) -> None:
    text = eject(kind, project / "dags").read_text()
    marker = MARKER.search(text)
    assert marker is not None
    assert marker["kind"] == kind
    assert text.endswith(f'\n\n\nfor specs in each("{kind}"):\n    build(*specs)\n')
    compile(text, kind, "exec")
    assert owned(project / "dags").keys() == {kind}


def test_status_names_what_the_project_owns(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["status"]) == 0
    assert "own DAG files" not in capsys.readouterr().out
    assert main.run(["eject", "train"]) == 0
    assert main.run(["eject", "score"]) == 0
    capsys.readouterr()
    assert main.run(["status"]) == 0
    assert "the project's own DAG files: dags/train.py, dags/score.py" in capsys.readouterr().out


def test_a_file_that_is_there_is_not_replaced(project: Path) -> None:
    path = project / "dags" / "train.py"
    path.write_text("mine = 1\n")
    with pytest.raises(RequestError, match="the file is there already"):
        eject("train", project / "dags")
    assert path.read_text() == "mine = 1\n"
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["loop.py", "train.py"]


def test_a_kind_that_is_none_is_named(project: Path) -> None:
    with pytest.raises(RequestError, match="did you mean 'train'"):
        eject("trian", project / "dags")


def test_a_file_without_its_marker_is_one_clear_error_everywhere(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = eject("train", project / "dags")
    path.write_text("\n".join(path.read_text().splitlines()[1:]))
    with pytest.raises(SpecError, match="not the marker of an ejected one"):
        owned(project / "dags")
    (problem,) = check(Catalog(project / "config"))
    assert "not the marker of an ejected one" in problem.sentence
    # `status` shows what it can beside it, and is one for whom the fault is what it found.
    for command, code in ((["check"], 2), (["status"], 1), (["upgrade", "--check"], 2)):
        assert main.run(command) == code
        assert "not the marker of an ejected one" in capsys.readouterr().err
