"""The train step with `trainer: torch`, from the lake to the registry, and after a crash in the middle of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
import yaml

from airloop.contracts import Outcome
from airloop.delivery import objectives, verification
from airloop.errors import ArtifactError
from airloop.registry import artifacts, loader
from airloop.specs.catalog import Catalog
from airloop.training.trainers.torch.checkpoint import StoredCheckpoints
from tests.integration.training.test_train_evaluate_register import World
from tests.support.loop.outcomes import CLASSES
from tests.support.loop.specimens import rows
from tests.support.loop.torch import torch_spec


@pytest.fixture
def world(mlflow_tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    shutil.copy(mlflow_tables, tmp_path / "mlflow.db")
    world = World(tmp_path)
    world.settings = world.settings.model_copy(update={"step_store_uri": str(tmp_path / "steps")})
    fields = torch_spec(training={"checkpoint": {"steps": 3}}).model_dump(
        mode="json", by_alias=True
    )
    (tmp_path / "config" / "models" / "lateness.yaml").write_text(yaml.safe_dump(fields))
    world.catalog = Catalog(tmp_path / "config")
    return world


def test_a_crashed_training_goes_on_and_its_model_is_gated_registered_and_served(
    world, monkeypatch, caplog
):
    original, written = StoredCheckpoints.write, []

    def write(self, *arguments):
        original(self, *arguments)
        written.append(self.blobs.place(self.name))
        if len(written) == 5:
            raise RuntimeError("the worker is lost")

    monkeypatch.setattr(StoredCheckpoints, "write", write)
    with pytest.raises(RuntimeError, match="lost"):
        world.train()
    assert Path(written[0]).exists()
    caplog.set_level("INFO", "airloop.training")
    candidate = world.train()
    assert "resumed at epoch 2, batch 4" in caplog.text
    assert not Path(written[0]).exists()
    # The same as one that was never interrupted, under another key.
    straight = world.train(key="train:lateness:other")
    for name in ("roc_auc", "log_loss", "brier"):
        assert straight.metrics[name] == candidate.metrics[name]

    report = world.evaluate(candidate)
    assert report.outcome is Outcome.OK, report.reason
    version = world.register(candidate, report)
    model = loader.load(version.artifact, world.settings)
    assert model.runtime == "onnx"
    assert model.predict(rows(5)).shape == (30,)


def test_a_network_of_several_classes_goes_through_the_whole_loop(world, tmp_path, monkeypatch):
    fields = torch_spec(
        {"epochs": 8},
        module="tests.support.loop.torch_outcomes",
        outputs={"classes": CLASSES},
        gates={"primary": "log_loss", "absolute": {"log_loss": {"max": 0.95}}},
    ).model_dump(mode="json", by_alias=True, exclude_none=True)
    (world.home / "config" / "models" / "lateness.yaml").write_text(yaml.safe_dump(fields))
    world.catalog = Catalog(world.home / "config")
    candidate = world.train()
    report = world.evaluate(candidate)
    assert report.outcome is Outcome.OK, report.reason
    version = world.register(candidate, report)
    monkeypatch.setattr(objectives, "LOAD_REQUESTS", 20)
    checks = verification.verify(version, world.settings, tmp_path / "work")
    assert all(check.ok for check in checks), checks
    answers = loader.load(version.artifact, world.settings).predict(rows(5))
    assert answers.shape == (30, 3)
    assert abs(answers.sum(axis=1) - 1).max() < 1e-6


def test_a_checkpoint_of_another_architecture_stops_the_step_with_one_line(world, monkeypatch):
    def crash(self, *arguments):
        original(self, *arguments)
        raise RuntimeError("the worker is lost")

    original = StoredCheckpoints.write
    monkeypatch.setattr(StoredCheckpoints, "write", crash)
    with pytest.raises(RuntimeError):
        world.train()
    monkeypatch.undo()
    monkeypatch.setenv("AIRLOOP_HOME", str(world.home))
    path = world.home / "config" / "models" / "lateness.yaml"
    path.write_text(path.read_text().replace("- 16", "- 24"))
    world.catalog = Catalog(world.home / "config")
    with pytest.raises(ArtifactError, match="another architecture"):
        world.train()
    assert not world.runs()


def test_an_artifact_names_the_libraries_it_was_made_with(world):
    candidate = world.train()
    folder = artifacts.fetch(candidate.artifact, world.settings)
    assert (
        artifacts.verify(folder, candidate.artifact.digest).libraries["torch"].startswith("2.13.0")
    )
