"""The section ``outputs`` of a model's spec."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from airloop.issues import issues_of
from airloop.plugins.trainer import OutputKind, TrainerCapabilities
from airloop.specs.model import ModelSpec
from airloop.training.trainers.builtin import TorchTrainer
from tests.support.loop.specimens import model_spec

GATES = {"primary": "log_loss", "absolute": {"log_loss": {"max": 1}}}


def spec(classes: Any, **changes: Any) -> ModelSpec:
    return model_spec(**{"outputs": {"classes": classes}, "gates": GATES} | changes)


def found(classes: Any, **changes: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as raised:
        spec(classes, **changes)
    return {one.key: one.what for one in issues_of(raised.value, ModelSpec)}


def test_a_model_without_the_section_answers_one_number() -> None:
    one = model_spec().answer
    assert (one.kind, one.columns, one.shape) == (
        OutputKind.PROBABILITY,
        ("airloop_prediction",),
        (),
    )
    assert one.named([0.5]) == [0.5] == one.numbers([0.5])


def test_classes_are_columns_and_keys_in_their_order() -> None:
    one = spec(["late", "on-time"]).answer
    assert one.kind is OutputKind.CLASSES
    assert one.columns == ("airloop_prediction_late", "airloop_prediction_on-time")
    assert one.named([[0.25, 0.75]]) == [{"late": 0.25, "on-time": 0.75}]
    assert one.numbers([{"on-time": 0.75, "late": 0.25}]) == [[0.25, 0.75]]


def test_a_label_is_heard_as_its_name_and_kept_as_a_column_a_class() -> None:
    gates = {"primary": "f1", "absolute": {"error_rate": {"max": 1}}}
    one = model_spec(outputs={"labels": ["late", "on-time"]}, gates=gates).answer
    assert one.columns == ("airloop_prediction_late", "airloop_prediction_on-time")
    assert one.decided(np.array([1.0, 0.0])).tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert one.decided(np.array([[0.7, 0.3]])).tolist() == [[1.0, 0.0]]
    named = one.named([[0.0, 1.0]])
    assert named == [{"late": 0.0, "on-time": 1.0}]
    assert one.heard(named) == ["on-time"]
    assert one.numbers(["on-time"]) == [[0.0, 1.0]]
    other = spec(["late", "on-time"]).answer
    assert other.heard(named) is named
    assert other.decided(named) is named


@pytest.mark.parametrize(
    ("changes", "key", "told"),
    [
        ({"outputs": {"labels": ["late", "Late"]}}, "outputs.labels[1]", "declared twice"),
        ({"task": "regression"}, "outputs.labels", "labels are of a classification"),
        ({"segments": {"column": "courier"}}, "segments", "one number"),
        (
            {"gates": {"primary": "log_loss", "absolute": {"f1": {"min": 0}}}},
            "gates.primary",
            "is no metric of labels",
        ),
    ],
)
def test_what_does_not_go_with_labels_is_named(
    changes: dict[str, Any], key: str, told: str
) -> None:
    gates = {"primary": "accuracy", "absolute": {"f1": {"min": 0}}}
    with pytest.raises(ValidationError) as raised:
        model_spec(**{"outputs": {"labels": ["late", "early"]}, "gates": gates} | changes)
    said = {one.key: one.what for one in issues_of(raised.value, ModelSpec)}
    assert told in said[key]


@pytest.mark.parametrize("again", ["late", "Late"])
def test_an_output_declared_twice_is_named(again: str) -> None:
    said = found(["early", "late", again])
    assert said == {"outputs.classes[2]": "the output is declared twice"}


@pytest.mark.parametrize(
    ("changes", "key", "told"),
    [
        ({"task": "regression"}, "outputs.classes", "classes are of a classification"),
        ({"segments": {"column": "courier"}}, "segments", "one number"),
        (
            {"gates": {"primary": "average_precision", "absolute": {"log_loss": {"max": 1}}}},
            "gates.primary",
            "is no metric of multiclass",
        ),
    ],
)
def test_keys_that_do_not_go_with_classes_are_named(
    changes: dict[str, Any], key: str, told: str
) -> None:
    assert told in found(["early", "late"], **changes)[key]


REGRESSION = {"primary": "pinball", "absolute": {"pinball": {"max": 1}}}


def quantiles(levels: Any, **changes: Any) -> ModelSpec:
    outputs = {"quantiles": levels}
    return model_spec(**{"task": "regression", "outputs": outputs, "gates": REGRESSION} | changes)


def test_quantiles_are_called_by_their_percents() -> None:
    one = quantiles([0.025, 0.5, 0.9]).answer
    assert (one.names, one.levels) == (("q2_5", "q50", "q90"), (0.025, 0.5, 0.9))
    assert one.truths([2.0]).tolist() == [[2.0, 0.025, 0.5, 0.9]]
    again = ModelSpec.model_validate_json(quantiles([0.1, 0.9]).model_dump_json())
    assert again.answer.levels == (0.1, 0.9)


@pytest.mark.parametrize(
    ("levels", "key", "told"),
    [
        ([0.5, 0.1], "outputs.quantiles[1]", "stands behind 0.5"),
        ([0.1, 0.5, 0.5], "outputs.quantiles[2]", "declared twice"),
    ],
)
def test_quantiles_out_of_order_are_named(levels: list[float], key: str, told: str) -> None:
    with pytest.raises(ValidationError) as raised:
        quantiles(levels)
    said = {one.key: one.what for one in issues_of(raised.value, ModelSpec)}
    assert told in said[key]


@pytest.mark.parametrize("levels", [[0.5], [0.0, 0.5], [0.5, 1.0], ["a", "b"], [True, 0.5]])
def test_levels_that_are_none_are_refused(levels: list[Any]) -> None:
    with pytest.raises(ValidationError):
        quantiles(levels)


def test_one_kind_of_outputs_is_declared() -> None:
    for outputs in ({}, {"classes": ["a", "b"], "quantiles": [0.1, 0.9]}):
        with pytest.raises(ValidationError, match="classes or labels or quantiles or values"):
            model_spec(outputs=outputs)


LATE, COST = {"name": "late", "column": "minutes_late"}, {"name": "cost", "column": "parcels"}
OF_VALUES = {"primary": "r2", "absolute": {"r2": {"min": 0.1}}}


def values(declared: Any, **changes: Any) -> ModelSpec:
    fields = {"task": "regression", "outputs": {"values": declared}, "gates": OF_VALUES}
    return model_spec(**fields | {"target": {"column": None}} | changes)


def test_values_are_columns_keys_and_truths_in_their_order() -> None:
    spec = values([LATE, COST])
    one = spec.answer
    assert one.kind is OutputKind.VALUES
    assert one.columns == ("airloop_prediction_late", "airloop_prediction_cost")
    assert one.labels == ("airloop_label_late", "airloop_label_cost")
    assert one.named([[1.5, 2.5]]) == [{"late": 1.5, "cost": 2.5}]
    assert spec.targets == ("minutes_late", "parcels")
    assert ModelSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    ("declared", "changes", "key", "told"),
    [
        ([LATE, COST | {"name": "Late"}], {}, "outputs.values[1]", "declared twice"),
        ([LATE, {"name": "cost"}], {}, "outputs.values[1].column", "missing"),
        ([LATE, COST], {"target": {}}, "target.column", "a column of its own"),
        ([LATE, COST], {"task": "classification"}, "outputs.values", "are of a regression"),
        ([LATE, COST], {"inputs": ["distance", "parcels"]}, "inputs[1]", "among the inputs"),
        (
            [LATE, COST],
            {"gates": {"primary": "rmse", "absolute": {"r2": {"min": 0.1}}}},
            "gates.primary",
            "is no metric of values",
        ),
    ],
)
def test_what_does_not_go_with_values_is_named(
    declared: Any, changes: dict[str, Any], key: str, told: str
) -> None:
    with pytest.raises(ValidationError) as raised:
        values(declared, **changes)
    said = {one.key: one.what for one in issues_of(raised.value, ModelSpec)}
    assert told in said[key]


def vector(declared: Any, **changes: Any) -> ModelSpec:
    gates = {"primary": "rmse", "absolute": {"cosine_distance": {"max": 1}}}
    fields = {"task": "regression", "outputs": {"vector": declared}, "gates": gates}
    return model_spec(**fields | {"target": {"column": None}} | changes)


PLAIN = {"length": 2, "columns": ["minutes_late", "parcels"]}


def test_a_vector_is_a_list_to_its_caller_and_columns_by_place() -> None:
    spec = vector(PLAIN)
    one = spec.answer
    assert (one.names, one.shape) == (("0", "1"), (2,))
    assert one.columns == ("airloop_prediction_0", "airloop_prediction_1")
    assert one.labels == ("airloop_label_0", "airloop_label_1")
    assert one.heard(one.named([[1.5, 2.5]])) == [[1.5, 2.5]] == one.numbers([[1.5, 2.5]])
    assert one.told == "a vector of 2 numbers"
    assert spec.targets == ("minutes_late", "parcels")
    assert ModelSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    ("declared", "changes", "key", "told"),
    [
        ({"length": 2}, {}, "outputs.vector.columns", "without a truth cannot be judged"),
        (PLAIN | {"length": 3}, {}, "outputs.vector.columns", "are not the 3 numbers"),
        (PLAIN, {"target": {}}, "target.column", "columns of its own"),
        (PLAIN, {"task": "classification"}, "outputs.vector", "are of a regression"),
        (PLAIN, {"inputs": ["distance", "parcels"]}, "inputs[1]", "among the inputs"),
        (PLAIN, {"segments": {"column": "courier"}}, "segments", "one number"),
        (
            PLAIN,
            {"gates": {"primary": "mae", "absolute": {"rmse": {"max": 1}}}},
            "gates.primary",
            "is no metric of vector",
        ),
    ],
)
def test_what_does_not_go_with_a_vector_is_named(
    declared: Any, changes: dict[str, Any], key: str, told: str
) -> None:
    with pytest.raises(ValidationError) as raised:
        vector(declared, **changes)
    said = {one.key: one.what for one in issues_of(raised.value, ModelSpec)}
    assert told in said[key]


@pytest.mark.parametrize("length", [0, 1, 1025, "3", True])
def test_lengths_that_are_none_are_refused(length: Any) -> None:
    with pytest.raises(ValidationError):
        vector(PLAIN | {"length": length, "label": "place"})


@pytest.mark.parametrize("kind", ["classes", "values"])
def test_a_trainer_that_makes_none_of_them_is_named(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As one of a plug-in that says nothing of outputs.
    monkeypatch.setattr(TorchTrainer, "outputs", TrainerCapabilities.outputs)
    torch = {"trainer": "torch"}
    with pytest.raises(ValidationError) as raised:
        spec(["a", "b"], training=torch) if kind == "classes" else values(
            [LATE, COST], training=torch
        )
    said = {one.key: one.what for one in issues_of(raised.value, ModelSpec)}
    assert said["training.trainer"] == f"trainer torch makes no {kind}"


def test_one_value_needs_its_target() -> None:
    with pytest.raises(ValidationError) as raised:
        model_spec(target={"column": None})
    assert [one.key for one in issues_of(raised.value, ModelSpec)] == ["target.column"]


@pytest.mark.parametrize("classes", [[], ["late"], ["on time", "late"], ["", "late"], ["ä", "b"]])
def test_too_few_classes_and_names_that_no_column_can_have_are_refused(classes: list[str]) -> None:
    with pytest.raises(ValidationError):
        spec(classes)


@settings(deadline=None)
@given(st.lists(st.text(max_size=5), max_size=4) | st.integers() | st.none() | st.text())
def test_whatever_stands_there_is_a_spec_or_a_finding(classes: Any) -> None:
    try:
        names = spec(classes).answer.names
    except ValidationError as error:
        told = issues_of(error, ModelSpec)
    else:
        told = []
        assert len({name.casefold() for name in names}) == len(classes) >= 2
    assert all(one.key.startswith("outputs") for one in told)
