"""A change of the project's code leaves earlier versions as they were: they are answered by what they brought."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from airloop.contracts import ArtifactRef
from airloop.data.snapshot import Split, split
from airloop.errors import ArtifactError, SpecError
from airloop.features import transform as checkout
from airloop.registry import artifacts, loader
from airloop.settings import Settings
from airloop.training.fitted import fit
from airloop.training.package import pack
from tests.support.loop.specimens import DAYS, HOLDOUT, dataset_spec, model_spec, rows

MODEL = """
import courier_shop.units
from sklearn.linear_model import LogisticRegression


def features(rows):
    from courier_shop.lazy import offset

    frame = rows[["distance", "rain"]].fillna(0.0)
    frame["distance"] = frame["distance"] * courier_shop.units.FACTOR + offset()
    return frame


def label(rows):
    late = rows["minutes_late"]
    return (late > 0).astype(float).where(late.notna())


def build(params):
    return LogisticRegression()
"""
SPEC = {"module": "courier_shop.model", "training": {"params": {}}}


class Project:
    """A project in a folder, whose code is written anew and imported anew."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write()
        self.parts: Split = split(model_spec(**SPEC), dataset_spec(), rows(), HOLDOUT)

    def write(self, factor: float = 1.0, model: str = MODEL, lazy: float = 0.0) -> None:
        package = self.root / "include" / "courier_shop"
        package.mkdir(parents=True, exist_ok=True)
        texts = {
            "__init__": "",
            "model": model,
            "units": f"FACTOR = {factor}",
            "lazy": f"def offset():\n    return {lazy}",
        }
        for name, text in texts.items():
            (package / f"{name}.py").write_text(text, encoding="utf-8")
        self.forget()

    def forget(self) -> None:
        """As a process that starts anew would."""
        checkout._import.cache_clear()
        for name in [name for name in sys.modules if name.startswith("courier_shop")]:
            del sys.modules[name]
        shutil.rmtree(self.root / "include" / "courier_shop" / "__pycache__", ignore_errors=True)

    def train(self, name: str) -> ArtifactRef:
        spec, folder = model_spec(**SPEC), self.root / name
        fitted = fit(spec, dataset_spec(), self.parts, {})
        package = pack(spec, dataset_spec(), self.parts, fitted, folder, trained_on=DAYS[:-2])
        return ArtifactRef(uri=folder.as_uri(), digest=package.digest)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setenv("AIRLOOP_PROJECT", str(tmp_path))
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "include")])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    made = Project(tmp_path)
    yield made
    made.forget()


def test_versions_of_different_code_answer_side_by_side_as_each_did(project: Project) -> None:
    project.write(factor=1.0)
    first = project.train("first")
    frame = project.parts.holdout.frame
    then = loader.load(first, Settings()).predict(frame)
    # A helper changes, and what is imported within the function.
    project.write(factor=-3.0, lazy=7.0)
    second = project.train("second")
    one, two = loader.load(first, Settings()), loader.load(second, Settings())
    np.testing.assert_array_equal(one.predict(frame), then)
    assert one.function is not None
    assert two.function is not None
    made = [version.function(frame)["distance"] for version in (one, two)]
    np.testing.assert_allclose(made[1], made[0] * -3.0 + 7.0)
    np.testing.assert_array_equal(one.predict(frame), then)


def test_a_version_answers_when_the_project_has_no_such_module_any_more(project: Project) -> None:
    project.write()
    ref = project.train("first")
    frame = project.parts.holdout.frame
    then = loader.load(ref, Settings()).predict(frame)
    shutil.rmtree(project.root / "include")
    project.forget()
    np.testing.assert_array_equal(loader.load(ref, Settings()).predict(frame), then)


def test_the_same_code_data_and_seed_give_the_same_digest(project: Project) -> None:
    project.write()
    first = project.train("first")
    assert project.train("again").digest == first.digest
    # What no answer depends on is code, too: it would be told apart by nobody else.
    project.write(model=f"{MODEL}\n# seen by nobody\n")
    assert project.train("other").digest != first.digest


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def exchanged(path: Path) -> None:
    path.write_bytes(path.with_name(artifacts.SPEC).read_bytes())


@pytest.mark.parametrize("act", [flipped, exchanged, Path.unlink])
def test_bytes_that_the_digest_does_not_name_never_run(
    project: Project, act: Callable[[Path], None]
) -> None:
    project.write()
    ref = project.train("first")
    act(project.root / "first" / artifacts.CODE)
    with pytest.raises(ArtifactError):
        loader.load(ref, Settings())


def test_code_put_beside_a_verified_copy_is_compared_as_it_is_read(project: Project) -> None:
    """The folder was verified; then somebody exchanged the file, before it was opened."""
    project.write()
    ref = project.train("first")
    folder = artifacts.fetch(ref, Settings())
    ran = project.root / "ran"
    project.write(model=f"open({str(ran)!r}, 'w')\n{MODEL}")
    other = project.train("second")
    ran.unlink()
    shutil.copy(artifacts.fetch(other, Settings()) / artifacts.CODE, folder / artifacts.CODE)
    with pytest.raises(ArtifactError, match="not the one that was trained"):
        loader.open_folder(folder, ref.digest)
    assert not ran.exists()


def test_code_that_needs_a_file_beside_it_is_refused_at_the_training(project: Project) -> None:
    reading = MODEL.replace(
        "    frame =",
        "    import pathlib\n    pathlib.Path(__file__).with_name('units.py').read_text()\n    frame =",
    )
    project.write(model=reading)
    with pytest.raises(SpecError, match="does not work by itself") as told:
        project.train("first")
    assert "no files beside them" in str(told.value)


def test_code_that_counts_its_calls_is_refused_at_the_training(project: Project) -> None:
    counting = MODEL.replace("def features", "CALLS = []\n\n\ndef features").replace(
        "    return frame",
        "    CALLS.append(1)\n    frame['rain'] += len(CALLS)\n    return frame",
        1,
    )
    project.write(model=counting)
    with pytest.raises(SpecError, match="makes other features than the training had"):
        project.train("first")


def test_a_version_of_before_is_answered_by_the_project(project: Project) -> None:
    """Without code.zip, as Airloop 0.1 packed it; the examples notice a change, as they did."""
    project.write()
    folder = project.root / "old"
    project.train("old")
    (folder / artifacts.CODE).unlink()
    (folder / artifacts.MANIFEST).unlink()
    digest = artifacts.write_manifest(folder, model="lateness", task="classification")
    ref = ArtifactRef(uri=folder.as_uri(), digest=digest)
    assert loader.load(ref, Settings()).code is None
    project.write(factor=50.0)
    with pytest.raises(ArtifactError, match="no longer answers"):
        loader.load(ref, Settings())
