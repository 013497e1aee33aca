"""docs/training.md: each example is a spec that passes the check, and trains."""

from __future__ import annotations

import json
import re
import shutil
import typing
from pathlib import Path
from typing import Any

import pytest
import yaml

from airloop.check.specs import check
from airloop.registry.segments import SegmentEntry
from airloop.specs.catalog import Catalog
from airloop.training.parameters import ALGORITHM
from tests.integration.training.test_segments import segmented  # noqa: F401
from tests.integration.training.test_train_evaluate_register import world  # noqa: F401
from tests.integration.training.test_tuning import respec, search
from tests.support.checkout import ROOT
from tests.support.loop.segments import respec as segment_respec
from tests.support.loop.segments import segment_spec, train_all

PAGE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
EXAMPLES = {
    next(iter(example)): example
    for example in map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "config", tmp_path / "config"))


def problems(config: Path, example: dict[str, Any]) -> dict[str, str]:
    spec = config / "models" / "flight_delay.yaml"
    spec.write_text(spec.read_text(encoding="utf-8") + yaml.safe_dump(example), encoding="utf-8")
    return {problem.key: problem.what for problem in check(Catalog(config))}


def test_the_search_passes_the_check_beside_the_demos_model(config: Path) -> None:
    assert problems(config, {"tuning": EXAMPLES["tuning"]["tuning"]}) == {}


def test_the_segments_pass_the_check_beside_the_demos_model(config: Path) -> None:
    assert problems(config, {"segments": EXAMPLES["segments"]["segments"]}) == {}


def test_the_example_by_airline_passes_the_check(config: Path) -> None:
    shutil.copy(config / "examples" / "flight_delay_by_carrier.yaml", config / "models")
    assert check(Catalog(config)) == []


def test_the_segments_are_trained(segmented: Any) -> None:
    segments = {**EXAMPLES["segments"]["segments"], "column": "courier", "min_rows": 100}
    segment_respec(segmented, segment_spec(segments))
    plan, candidate = train_all(segmented)
    assert plan.segments == 3
    assert candidate.metrics["segments"] == 3
    assert candidate.metrics["segments_failed"] == 0


def test_every_status_in_the_table_is_one_of_the_codes() -> None:
    told = re.findall(r"(?m)^\| `([a-z ]+)` \| (?:its own|the global) model", PAGE)
    assert tuple(told) == typing.get_args(SegmentEntry.model_fields["status"].annotation)


def test_a_build_that_the_module_lacks_is_told(config: Path) -> None:
    found = problems(config, EXAMPLES["algorithms"])
    assert found == {"algorithms[1].build": "the module has no function 'build_linear'"}


def test_the_search_runs(world: Any) -> None:
    respec(world, tuning={**EXAMPLES["tuning"]["tuning"], "trials": 2})
    candidate = world.train(study=search(world).study)
    assert set(EXAMPLES["tuning"]["tuning"]["space"]) < set(json.loads(candidate.params))


def test_the_algorithms_compete(world: Any) -> None:
    respec(world, algorithms=EXAMPLES["algorithms"]["algorithms"])
    world.train()
    (decision,) = world.ledger.decisions("lateness", "algorithm")
    assert set(decision.figures) == {"boosting", "linear", ALGORITHM}
