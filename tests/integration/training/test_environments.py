"""Two models that need conflicting versions of one library run side by side, each in its own environment."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from airloop.contracts import ArtifactRef, Candidate, Deployment, ModelVersion, Outcome
from airloop.data.lake.lake import Lake
from airloop.delivery.verification import verify
from airloop.errors import PermanentError, SpecError
from airloop.execution.runner import StepRunner
from airloop.registry import loader, tracking
from airloop.serving.runtime.endpoints import Endpoints
from airloop.settings import load_settings
from airloop.specs.catalog import Catalog
from tests.integration.training.test_train_evaluate_register import (  # noqa: F401
    World,
    world,
)
from tests.support.environments import make_environment
from tests.support.loop.specimens import DAYS, model_spec

FLAVOURS = {
    "one": '__version__ = "1.0"\n\ndef tone(values):\n    return values * 2.0\n',
    "two": '__version__ = "2.0"\n\ndef shade(values):\n    return -values\n',
}


@pytest.fixture
def pythons(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """The interpreters of two environments, and the models ``one`` and ``two`` that need them."""
    found = {}
    client = tracking.client(world.settings)
    for name, text in FLAVOURS.items():
        found[name] = str(make_environment(tmp_path / f"venv-{name}", flavour=text))
        fields = model_spec(
            name=name,
            module=f"tests.support.loop.flavour_{name}",
            environment={"python": found[name]},
        ).model_dump(mode="json", by_alias=True)
        (world.home / "config" / "models" / f"{name}.yaml").write_text(yaml.safe_dump(fields))
        client.create_experiment(name, artifact_location=str(tmp_path / "mlruns"))
    world.catalog = Catalog(world.home / "config")
    monkeypatch.setenv("AIRLOOP_CONFIG", str(world.home / "config"))
    monkeypatch.setenv("AIRLOOP__MLFLOW_URI", world.settings.mlflow_uri)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    load_settings.cache_clear()
    yield found
    load_settings.cache_clear()


def run(world: World, python: str, step: str, key: str, request: dict[str, Any]) -> Any:
    fence = world.ledger.begin_attempt(key)
    return StepRunner(load_settings(), python=python).run(step, fence, request)


def train(world: World, name: str, python: str) -> Candidate:
    found = run(world, python, "train", f"train:{name}:1", {"model": name})
    return Candidate.model_validate(found["candidate"])


def test_two_models_of_conflicting_libraries_are_trained_and_scored_side_by_side(
    world: World, pythons: dict[str, str], tmp_path: Path
) -> None:
    def whole(name: str) -> tuple[Candidate, Any]:
        candidate = train(world, name, pythons[name])
        world.ledger.record_deployment(
            world.ledger.begin_attempt(f"promote:{name}"),
            model=name, version=1, artifact=candidate.artifact, kind="promote", reason="test",
        )  # fmt: skip
        asked = {"model": name, "partition": DAYS[-1]}
        return candidate, run(world, pythons[name], "score", f"score:{name}:1", asked)

    with ThreadPoolExecutor(2) as pool:
        (one, scored_one), (_, scored_two) = pool.map(whole, ("one", "two"))
    assert scored_one["rows"] == scored_two["rows"] > 0
    lake = Lake(world.settings)
    for name in ("one", "two"):
        assert lake.partitions(f"scores__{name}") == (DAYS[-1],)

    # Here, as in the service, neither library is installed: each refuses with one line, and what serves stays.
    with pytest.raises(SpecError, match="the model's module cannot be imported") as caught:
        loader.load(one.artifact, world.settings)
    line = str(caught.value)
    assert "tests.support.loop.flavour_one: ModuleNotFoundError: No module named 'flavour'" in line
    assert (
        "install what it imports in the environment that runs this (the service has its own)"
        in line
    )
    version = ModelVersion(model="one", version=1, run_id=one.run_id, artifact=one.artifact)
    (check,) = verify(version, world.settings, tmp_path)
    assert (check.name, check.outcome) == ("loads", Outcome.BAD)
    assert "No module named 'flavour'" in check.reason
    assert "No module named 'flavour'" in refused_by_the_service(world, one.artifact)

    # In the other model's environment it is the wrong version that is found.
    with pytest.raises(PermanentError, match="has no attribute 'tone'"):
        run(world, pythons["two"], "train", "train:one:wrong", {"model": "one"})


def refused_by_the_service(world: World, artifact: ArtifactRef) -> str:
    """What the service's slot says of a version that its environment cannot open."""
    fields = {"model": "one", "sequence": 1, "version": 1, "previous": None, "kind": "promote"}
    wanted = Deployment(**fields, artifact=artifact, reason="test", at=datetime.now(UTC))
    slots = Endpoints(
        world.home,
        models=lambda: ("one",),
        deployed=lambda: {wanted.model: wanted},
        load=lambda ref: loader.load(ref, world.settings),
    )

    async def ask() -> str:
        await slots.refresh()
        (state,) = slots.states()
        await slots.close()
        assert state.version is None
        return str(state.error)

    return asyncio.run(ask())
