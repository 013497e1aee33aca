"""`airloop upgrade --check`: what a newer Airloop changes for a project, named and left as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airloop import __version__, paths
from airloop.cli import main
from airloop.ejection import eject
from airloop.errors import SpecError
from airloop.projects import template
from airloop.projects.creation import create
from airloop.projects.upgrade import findings
from tests.support.checkout import ROOT
from tests.support.old_ledger import make_old_ledger
from tests.support.projects import told_of


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    made = create(tmp_path / "shop", example="flights")
    with told_of(made, tmp_path / "home"):
        yield made


def said(project: Path) -> list[str]:
    return [str(finding) for finding in findings(project)]


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_new_project_needs_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    eject("train", project / "dags")
    assert said(project) == []
    assert main.run(["upgrade", "--check"]) == 0
    assert capsys.readouterr().out == "this project needs nothing\n"


def test_this_repositorys_own_project_needs_nothing(tmp_path: Path) -> None:
    with told_of(ROOT, tmp_path / "home"):
        assert said(ROOT) == []
    assert not (tmp_path / "home").exists()


def test_an_upgrade_changes_nothing_by_itself(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["upgrade"]) == 2
    assert "airloop upgrade --check" in capsys.readouterr().err


def test_an_older_projects_version_is_the_last_thing_to_write(project: Path) -> None:
    replace(project / paths.MARKER, __version__, "0.1.0")
    (line,) = said(project)
    assert line == (
        "config/airloop.yaml: the project is of Airloop 0.1.0; when all else is done, write "
        f'airloop: "{__version__}"'
    )
    replace(project / paths.MARKER, 'airloop: "0.1.0"\n', "")
    assert "does not say which Airloop made this project" in said(project)[0]


def test_modules_of_old_names_are_named_with_their_new_ones(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replace(project / "config/models/flight_delay.yaml", "flights.flight", "include.models.flight")
    replace(project / "config/datasets/flights.yaml", "flights.departures:", "include.own.x:")
    assert said(project) == [
        (
            "config/models/flight_delay.yaml, line 7: module has a name of an older Airloop, "
            "include.models.flight_delay; write flights.flight_delay"
        ),
        (
            "config/datasets/flights.yaml, line 5: source.function has a name of an older Airloop, "
            "include.own.x:flights; write own.x:flights"
        ),
    ]
    assert main.run(["upgrade", "--check"]) == 1


def test_an_ejected_file_whose_original_changed_is_named(project: Path) -> None:
    path = eject("deploy", project / "dags")
    mark = path.read_text().splitlines()[0].split("sha256:")[1]
    replace(path, mark, "0" * 64)
    assert said(project) == [
        (
            f"dags/deploy.py: the packaged file changed since {__version__}, of which this is a copy; "
            "compare it with what `airloop eject deploy` makes in another project"
        )
    ]


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> None:
    """An Airloop whose template has another Makefile, and a file more."""
    ours = template._render

    def render(name: str, origin: template.Origin) -> bytes:
        return ours(name, origin) + (b"# newer\n" if name == "Makefile.jinja" else b"")

    monkeypatch.setattr(template, "_render", render)
    monkeypatch.setitem(template.RENDERED, "AGENTS.md", "README.md.jinja")


def test_files_that_the_template_makes_differently_today_are_named(
    project: Path, newer: None
) -> None:
    (project / "Dockerfile").unlink()
    replace(project / "pyproject.toml", "0.1.0", "0.3.0")
    assert said(project) == [
        (
            "Makefile: the template changed, and the project has not; take it over from a project that "
            "`airloop new` makes beside"
        ),
        (
            "AGENTS.md: the template has this file now; take it over from a project that `airloop new` "
            "makes beside"
        ),
    ]
    (project / "Makefile").write_text("own:\n")
    assert said(project)[0] == (
        "Makefile: the template changed, and so did the project; merge what is of use"
    )


def test_a_broken_note_of_the_template_is_one_error(project: Path) -> None:
    (project / template.ORIGIN).write_text("{")
    with pytest.raises(SpecError, match=r"not what `airloop new` noted.*delete it"):
        findings(project)


def test_a_ledger_of_an_older_airloop_is_the_first_thing_to_bring_up(
    project: Path, tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir(exist_ok=True)
    make_old_ledger(f"sqlite:///{tmp_path / 'home' / 'ledger.db'}")
    assert said(project) == [
        "the ledger: was written by an older Airloop; run `airloop down`, then `airloop ledger migrate`"
    ]
