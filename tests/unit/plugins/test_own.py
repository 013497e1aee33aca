"""What a project brings itself, by dotted path, and what a version needs of the plug-ins that its spec names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from airloop.contracts import Outcome
from airloop.errors import SpecError
from airloop.evaluation.gates import judge
from airloop.evaluation.metrics import evaluate, metric
from airloop.plugins.gate import STANDING
from airloop.plugins.spec import AbsentSpec
from airloop.registry.frozen import FrozenSpec
from airloop.specs.model import ModelSpec
from airloop.testing.cases import case_of, fair, truth_of
from airloop.testing.specs import toy_dataset, toy_model
from tests.support.plugins import install, on_path

OWN = """
from airloop.contracts import Check, Outcome
from airloop.evaluation.gate import Gate
from airloop.plugins import GateSpec, MeanMetric


class Missed(MeanMetric):
    tasks = ("classification",)
    higher_is_better = False

    def each(self, truth, scores):
        return ((truth == 1) & (scores < 0.5)).astype(float)


def never(case):
    return Check(name="champion", outcome=Outcome.BAD, reason="not today")


def broken(case):
    return 1 / 0


def of_no_kind(case):
    return True


class Quiet(Gate):
    spec = GateSpec

    def check(self, case, spec):
        return Check(name="quiet", outcome=Outcome.OK, reason="all quiet")
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path) -> Iterator[None]:
    entries = {"airloop.gates": {"quiet": "project_own:Quiet"}}
    install(tmp_path, "airloop-quiet", entries, {"project_own": OWN})
    with on_path(tmp_path):
        yield


def judged(*own: Any) -> dict[str, tuple[Outcome, str]]:
    case = case_of(fair(truth_of(), 4.0), gates={"own": list(own)})
    return {check.name: (check.outcome, check.reason) for check in judge(case).checks}


def test_gates_of_ones_own_come_after_the_standing_ones_and_count() -> None:
    said = judged("project_own:never", {"kind": "quiet"})
    assert tuple(said) == (*STANDING, "never", "quiet")
    assert said["quiet"] == (Outcome.OK, "all quiet")
    # Under its own name: none can speak for another.
    assert said["never"] == (Outcome.BAD, "not today")
    assert said["champion"][0] is Outcome.OK


@pytest.mark.parametrize(
    ("name", "why"), [("broken", "ZeroDivisionError"), ("of_no_kind", "a gate returns a Check")]
)
def test_a_gate_that_fails_could_not_tell(name: str, why: str) -> None:
    outcome, reason = judged(f"project_own:{name}")[name]
    assert outcome is Outcome.UNKNOWN
    assert why in reason


def test_a_gate_that_is_not_there_is_no_gate_that_was_passed() -> None:
    with pytest.raises(SpecError, match="the project's gate cannot be loaded"):
        judged("project_own:nothing")


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (["project_own:slices"], "gates.own[0]: is one of the gates that every candidate passes"),
        ([{"kind": "leakage"}], "gates.own[0]: is one of the gates that every candidate passes"),
        (["a.b:one", "c.d:one"], "gates.own[1]: two gates bear one name"),
        ([{"kind": "quiett"}], "gates.own[0].kind: not one of the values it may have"),
        ([{"kind": "quiet", "loud": 1}], "gates.own[0].loud: unknown key"),
    ],
)
def test_a_wrong_entry_is_told_by_its_place(own: list[Any], said: str) -> None:
    from airloop.issues import issues_of

    with pytest.raises(ValidationError) as caught:
        toy_model(gates={"own": own})
    assert said in {f"{one.key}: {one.what}" for one in issues_of(caught.value, ModelSpec)}


def test_a_metric_of_ones_own_decides_and_is_recorded() -> None:
    name = "project_own:Missed"
    spec = toy_model(gates={"primary": name, "absolute": {name: {"max": 0.5}}})
    truth = truth_of()
    assert metric(name, truth, 1 - truth) == truth.mean()
    assert set(evaluate("classification", truth, truth, spec.metrics)) > {name, "roc_auc"}
    case = case_of(fair(truth), 1 - fair(truth), gates=spec.gates.model_dump())
    said = {check.name: check for check in judge(case).checks}
    assert (said["champion"].outcome, said["absolute"].outcome) == (Outcome.OK, Outcome.OK)
    assert name in said["champion"].reason


def test_a_metric_of_another_task_is_refused_with_those_of_this_one() -> None:
    with pytest.raises(ValidationError, match="is no metric of classification"):
        toy_model(gates={"primary": "rmse"})


def test_a_version_needs_only_what_opens_its_files(tmp_path: Path) -> None:
    model = toy_model(gates={"own": [{"kind": "quiet"}]}, training={"trainer": "sklearn"})
    frozen = FrozenSpec(model=model, dataset=toy_dataset(), features={"far": "number"})
    text = (
        frozen.model_dump_json(by_alias=True)
        .replace('"kind":"quiet"', '"kind":"gone","loud":3')
        .replace('"kind":"python"', '"kind":"tides"')
        .replace('"primary":"brier"', '"primary":"lost_metric"')
        .replace('"compute":"process"', '"compute":{"kind":"tugboat","nice":3}')
    )
    with pytest.raises(ValidationError):
        FrozenSpec.model_validate_json(text)
    read = FrozenSpec.read(text.encode())
    assert isinstance(read.model.gates.own[0], AbsentSpec)
    assert read.dataset.source.kind == "tides"
    assert read.model_dump_json(by_alias=True) == text
