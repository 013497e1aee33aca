"""A file that is wrong is one entry of the catalogue with one message, and every other file is read as ever."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from airloop.check.specs import check
from airloop.errors import RequestError, SpecError
from airloop.paths import digest, is_project
from airloop.specs.catalog import Catalog
from tests.support.hostile_files import (
    BYSTANDERS,
    DATASET,
    MODEL,
    SHARING,
    STOPS,
    WAYS,
    Mutant,
    mutants,
    plant_leftovers,
    plant_world,
)

SEED = 8
MUTANTS = mutants(SEED)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    plant_world(tmp_path / "config")
    return tmp_path / "config"


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    """Whoever waits for a pipe that nobody writes into is woken, and has failed."""

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_the_mutants_are_sixty_of_every_kind_and_always_the_same() -> None:
    assert len(MUTANTS) == 60
    assert {one.file for one in MUTANTS} == set(STOPS)
    assert [str(one) for one in mutants(SEED)] == [str(one) for one in MUTANTS]


def test_the_world_is_sound_before_it_is_spoilt(config: Path) -> None:
    """The control."""
    assert check(Catalog(config)) == []
    assert all(entry.spec for entry in Catalog(config).models())


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_bad_file_stops_what_needs_it_with_one_message(config: Path, mutant: Mutant) -> None:
    path = mutant.plant(config)
    catalog = Catalog(config)
    models, datasets = STOPS[mutant.file]
    entries = [*catalog.models(), *catalog.datasets()]
    broken = {entry.name: str(entry.error) for entry in entries if entry.error is not None}
    assert set(broken) == {*models, *datasets}
    assert all((entry.spec is None) == (entry.name in broken) for entry in entries)
    assert len(set(broken.values())) <= 1
    for message in broken.values():
        assert str(path) in message
        assert "\n" not in message
        assert len(message) < 1_000
    for name in BYSTANDERS:
        catalog.pair(name)
    for name in models:
        with pytest.raises(SpecError, match=path.name):
            catalog.pair(name)
    wrong = [problem for problem in check(catalog) if problem.severity == "error"]
    assert {problem.file for problem in wrong} == {str(path)}


def test_a_step_of_another_model_begins_beside_every_bad_file(config: Path) -> None:
    """Each step is begun with the project's digest, to which every file belongs."""
    before = digest(config.parent)
    for number, spoil in enumerate(WAYS.values()):
        path = config / "models" / f"bad_{number}.yaml"
        path.write_text((config / MODEL).read_text())
        spoil(path, random.Random(SEED))
    assert before != digest(config.parent) == digest(config.parent)
    for path in plant_leftovers(config / "models"):
        path.touch() if not path.is_symlink() else None
    with_leftovers = digest(config.parent)
    for path in (config / "models").glob("bad_*"):
        path.rmdir() if path.is_dir() else path.unlink()
    assert digest(config.parent) == before != with_leftovers


def test_what_an_editor_leaves_is_no_spec(config: Path) -> None:
    before = [entry.name for entry in Catalog(config).models()]
    left = list(plant_leftovers(config / "models"))
    catalog = Catalog(config)
    assert [entry.name for entry in catalog.models()] == before == list(catalog.model_names())
    assert check(catalog) == []
    assert len(left) == 5


def test_a_file_that_vanishes_while_all_are_read_is_just_gone(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = Path.iterdir

    def iterdir(folder: Path) -> Iterator[Path]:
        found = list(listed(folder))
        (config / MODEL).unlink(missing_ok=True)
        return iter(found)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    entries = Catalog(config).models()
    assert "victim" not in {entry.name for entry in entries}
    assert all(entry.error is None for entry in entries)


@pytest.mark.parametrize("way", ["a pipe", "a link that leads nowhere", "may not be read"])
def test_a_project_is_found_though_its_settings_cannot_be_read(config: Path, way: str) -> None:
    WAYS[way](config / "airloop.yaml", random.Random(SEED))
    assert is_project(config.parent)


def test_a_model_without_a_dataset_names_its_own_file(config: Path) -> None:
    (config / DATASET).rename(config / "datasets" / "moved.yaml")
    (config / "datasets" / "moved.yaml").write_text(
        (config / "datasets" / "moved.yaml").read_text().replace("name: shared", "name: moved")
    )
    catalog = Catalog(config)
    broken = {entry.name: str(entry.error) for entry in catalog.models() if entry.error}
    assert tuple(broken) == SHARING
    assert "there is no such dataset; got 'shared'" in broken["shared_one"]
    assert f"{config / 'models' / 'shared_one.yaml'}, key dataset" in broken["shared_one"]


@pytest.mark.parametrize("name", ["My-Model", "a" * 64, "a b", "a\nb", os.fsdecode(b"\xff")])
def test_a_name_that_no_spec_can_have_is_told_and_nobody_is_called_so(
    config: Path, name: str
) -> None:
    (config / MODEL).rename(config / "models" / f"{name}.yaml")
    catalog = Catalog(config)
    assert name not in catalog.model_names()
    (message,) = [str(entry.error) for entry in catalog.models() if entry.error]
    assert "no name of a spec" in message
    message.encode("utf-8")


def test_a_folder_that_cannot_be_listed_is_one_error_and_no_empty_catalogue(config: Path) -> None:
    for path in (config / "models").iterdir():
        path.unlink()
    assert Catalog(config).model_names() == ()
    (config / "models").rmdir()
    assert Catalog(config).model_names() == ()
    (config / "models").write_text("a file")
    with pytest.raises(SpecError, match="cannot be listed"):
        Catalog(config).model_names()
    with pytest.raises(SpecError, match="there is no such folder"):
        Catalog(config / "gone").models()


def test_one_model_opens_its_own_file_and_its_datasets(config: Path) -> None:
    """A pipe beside them would be waited for, if anybody opened it."""
    (config / MODEL).unlink()
    os.mkfifo(config / MODEL)
    model, dataset = Catalog(config).pair("shared_two")
    assert (model.name, dataset.name) == ("shared_two", "shared")
    with pytest.raises(RequestError, match="did you mean 'shared_two'"):
        Catalog(config).pair("shared_tow")
