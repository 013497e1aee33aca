"""docs/training.md: the parts on networks and environments, each a spec that passes the check, and runs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from airloop.check.specs import check
from airloop.contracts import Candidate
from airloop.exchange.step import IN_OUR_ENVIRONMENT
from airloop.execution.interpreter import check_interpreter
from airloop.execution.pods.manifest import PodPlan
from airloop.execution.runner import StepRunner
from airloop.registry import tracking
from airloop.settings import load_settings
from airloop.specs.catalog import Catalog
from airloop.specs.sections.resources import KubernetesSettings
from airloop.steps import STEPS
from tests.integration.training.test_train_evaluate_register import world  # noqa: F401
from tests.integration.training.test_tuning import respec
from tests.support.checkout import ROOT
from tests.support.environments import make_environment
from tests.support.loop.specimens import model_spec

PAGE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
BLOCKS = {
    next(iter(block)): block
    for block in map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
}


def problems(tmp_path: Path, block: dict[str, Any]) -> dict[str, str]:
    config = Path(shutil.copytree(ROOT / "config", tmp_path / "config"))
    path = config / "models" / "flight_delay.yaml"
    spec = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key, value in block.items():
        spec[key] = {**spec[key], **value} if isinstance(spec.get(key), dict) else value
    path.write_text(yaml.safe_dump(spec), encoding="utf-8")
    return {problem.key: problem.what for problem in check(Catalog(config))}


@pytest.mark.parametrize("key", ["training", "environment", "compute"])
def test_each_part_passes_the_check_beside_the_demos_model(tmp_path: Path, key: str) -> None:
    block = dict(BLOCKS[key])
    if key == "training":  # in place of the demo's own parameters
        block["module"] = "flights.flight_delay_torch"
    assert problems(tmp_path, block) == {}


def test_the_network_trains(world: Any) -> None:
    training = BLOCKS["training"]["training"]
    short = {**training["params"], "epochs": 2}
    respec(world, module="tests.support.loop.torch_model", training={**training, "params": short})
    candidate = world.train()
    run = tracking.client(world.settings).get_run(candidate.run_id)
    assert run.data.params["training.trainer"] == "torch"
    assert run.data.params["hidden"] == "[64, 32]"


def test_a_model_trains_in_an_environment_of_its_own(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = make_environment(tmp_path / "pricing")
    (wanted,) = {Path(BLOCKS["environment"]["environment"]["python"]).name}
    assert python.name == wanted
    respec(world, environment={"python": str(python)})
    client = tracking.client(world.settings)
    client.create_experiment("lateness", artifact_location=str(tmp_path / "mlruns"))
    monkeypatch.setenv("AIRLOOP_CONFIG", str(world.catalog.folder))
    monkeypatch.setenv("AIRLOOP__MLFLOW_URI", world.settings.mlflow_uri)
    load_settings.cache_clear()
    lines: list[str] = []
    runner = StepRunner(load_settings(), lines.append, python=str(python))
    fence = world.ledger.begin_attempt("train:lateness:own")
    result = runner.run("train", fence, {"model": "lateness"})
    load_settings.cache_clear()
    assert Candidate.model_validate(result["candidate"]).model == "lateness"
    assert any("rows of 6 days" in line for line in lines)


def test_the_pages_interpreter_is_refused_where_nobody_made_it() -> None:
    with pytest.raises(Exception, match="there is no such Python interpreter"):
        check_interpreter(BLOCKS["environment"]["environment"]["python"])


def test_the_image_is_that_of_the_pods() -> None:
    block = BLOCKS["compute"]
    plan = PodPlan("train", model_spec(**block), KubernetesSettings(), ROOT / "config", ("x",))
    assert plan.image == block["environment"]["image"]


def test_the_table_says_which_steps_run_where() -> None:
    theirs, ours = re.findall(r"(?m)^\| (`.*) \| (?:the model's environment|Airloop's own)", PAGE)
    assert set(re.findall("`(.*?)`", ours)) == set(IN_OUR_ENVIRONMENT)
    assert set(re.findall("`(.*?)`", theirs)) <= set(STEPS) - set(IN_OUR_ENVIRONMENT)
