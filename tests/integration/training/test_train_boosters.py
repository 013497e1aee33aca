"""A booster of each library through the loop: trained, gated, registered, verified by a service that answers with it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from airloop.contracts import Outcome
from airloop.delivery import objectives
from airloop.delivery.verification import verify
from airloop.errors import ArtifactError
from airloop.registry import artifacts, loader
from airloop.registry.formats.boosters.model import FILES
from airloop.specs.catalog import Catalog
from tests.integration.training.test_train_evaluate_register import World
from tests.support.loop import boosters
from tests.support.loop.specimens import rows
from tests.unit.registry.test_boosters import spec_of

for _library in boosters.LIBRARIES:
    pytest.importorskip(_library)

CASES = {
    "xgboost": "xgboost, classification, behind steps",
    "lightgbm": "lightgbm, categories",
    "catboost": "catboost, classification, alone",
}
#: Boosters of more than one number, as tests/unit/registry tells them.
SEVERAL = ("xgboost, classes", "lightgbm, quantiles", "catboost, values")
NAMES = {"xgboost": "XGBoost", "lightgbm": "LightGBM", "catboost": "CatBoost"}


@pytest.mark.parametrize("which", [*CASES.values(), *SEVERAL])
def test_it_goes_through_the_whole_loop(
    which: str, mlflow_tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    shutil.copy(mlflow_tables, tmp_path / "mlflow.db")
    world = World(tmp_path)
    library = which.partition(",")[0]
    spec = spec_of(which).model_dump(mode="json", by_alias=True, exclude_none=True)
    (tmp_path / "config" / "models" / "lateness.yaml").write_text(yaml.safe_dump(spec))
    world.catalog = Catalog(tmp_path / "config")

    candidate = world.train()
    report = world.evaluate(candidate)
    assert report.outcome is Outcome.OK, report.reason
    version = world.register(candidate, report)

    monkeypatch.setattr(objectives, "LOAD_REQUESTS", 20)
    checks = verify(version, world.settings, tmp_path / "work")
    names = ["loads", "parity", "refuses bad input", "load", "memory"]
    assert [check.name for check in checks] == names
    assert all(check.ok for check in checks), checks

    model = loader.load(version.artifact, world.settings)
    assert model.runtime == library
    assert (np.ptp(model.predict(rows(5)), axis=0) > 0).all()

    folder = artifacts.fetch(version.artifact, world.settings)
    kept = folder / FILES[NAMES[library]][0]
    spoilt = shutil.copytree(folder, tmp_path / "spoilt")
    (spoilt / kept.name).write_bytes(kept.read_bytes() + b"\0")
    with pytest.raises(ArtifactError, match="not the one that was trained"):
        artifacts.verify(spoilt, version.artifact.digest)
