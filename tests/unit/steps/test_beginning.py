"""A step begins in the project that its caller read, or says in one sentence why it does not."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from airloop import paths
from airloop.errors import SpecError
from airloop.execution.process import environment
from airloop.steps.__main__ import begin_in_project

TOLD = "sha256:" + "1" * 64


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project as it lies in an image, and this process in it."""
    folder = tmp_path / "image"
    (folder / "config" / "environments").mkdir(parents=True)
    (folder / "include" / "ships").mkdir(parents=True)
    (folder / paths.MARKER).write_text("ledger_url: sqlite://\n")
    (folder / "config" / "environments" / "local.yaml").write_text("kubernetes:\n  image: a:1\n")
    (folder / "include" / "ships" / "arrival.py").write_text("def features(frame): ...\n")
    monkeypatch.setenv(paths.PROJECT, str(folder))
    monkeypatch.setattr(sys, "path", list(sys.path))
    return folder


def test_the_project_that_the_step_was_begun_with_is_taken(image, monkeypatch):
    monkeypatch.setenv(paths.DIGEST, paths.digest(image))
    begin_in_project()
    assert sys.path[-1] == str(image / "include")


def test_another_one_is_refused_with_both_digests(image, monkeypatch):
    monkeypatch.setenv(paths.DIGEST, TOLD)
    with pytest.raises(SpecError) as caught:
        begin_in_project()
    said = str(caught.value)
    assert said.startswith("the project here is not the one that the step was begun with")
    assert "\n" not in said
    assert {TOLD, paths.digest(image)} <= set(said.replace("'", " ").replace("(", " ").split())
    assert "rebuild the image that the step runs in" in said
    assert str(image / "include") not in sys.path


def test_of_an_image_without_a_project_it_cannot_be_told(image, monkeypatch):
    shutil.rmtree(image / "config")
    monkeypatch.setenv(paths.DIGEST, TOLD)
    with pytest.raises(SpecError, match="there is no project here to hold against") as caught:
        begin_in_project()
    assert TOLD in str(caught.value)


def test_a_caller_that_told_no_digest_is_believed(image, monkeypatch):
    monkeypatch.delenv(paths.DIGEST, raising=False)
    begin_in_project()


def test_of_its_own_machine_a_step_begins_though_another_models_spec_is_saved_meanwhile(
    image, monkeypatch
):
    monkeypatch.setenv(paths.DIGEST, paths.digest(image))
    told = environment()
    (image / "config" / "models").mkdir()
    (image / "config" / "models" / "other.yaml").write_text("half of a sp")
    for name in (paths.DIGEST, paths.PROJECT):
        monkeypatch.delenv(name, raising=False)
        if name in told:
            monkeypatch.setenv(name, told[name])
    begin_in_project()
    assert sys.path[-1] == str(image / "include")


def edit(path: str, text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    return change


@pytest.mark.parametrize(
    "change",
    [
        edit("include/ships/arrival.py", "def features(frame): return frame\n"),
        edit("config/environments/local.yaml", "kubernetes:\n  image: a:1\n  namespace: b\n"),
        edit("include/ships/more.py", ""),
    ],
)
def test_what_the_answers_depend_on_changes_the_digest(image, change):
    before = paths.digest(image)
    change(image)
    assert paths.digest(image) != before


@pytest.mark.parametrize(
    "change",
    [
        # It holds the project: its own digest cannot be known in it.
        edit("config/environments/local.yaml", "kubernetes:\n  image: a@sha256:0123\n"),
        edit("config/kubernetes/network.yaml", "kind: NetworkPolicy\n"),
        # A checkout of Airloop as a project, whose image holds the wheel instead.
        edit("include/airloop/errors.py", ""),
        edit("include/ships/__pycache__/arrival.pyc", ""),
        edit("include/ships/.arrival.py.swp", ""),
    ],
)
def test_what_they_do_not_depend_on_leaves_it(image, change):
    before = paths.digest(image)
    change(image)
    assert paths.digest(image) == before
