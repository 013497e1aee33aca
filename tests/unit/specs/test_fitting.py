"""The torch trainer's part of a spec."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from airloop.plugins.trainer import trainer_issues
from airloop.specs.model import TrainingSpec
from airloop.specs.sections.fitting import FitOptions, divide


def told(training):
    return {
        mistake.key: f"{mistake.what}; {mistake.remedy}" for mistake in trainer_issues(training)
    }


def test_the_trainers_own_parameters_are_told_from_the_modules():
    options, rest = divide({"epochs": 3, "hidden": [8]})
    assert (options, rest) == (FitOptions(epochs=3), {"hidden": [8]})


@pytest.mark.parametrize(
    ("training", "key", "said"),
    [
        ({"trainer": "torch", "params": {"epochs": 0}}, "training.params.epochs", "greater than"),
        ({"trainer": "torch", "params": {"epochs": True}}, "training.params.epochs", "integer"),
        ({"trainer": "torch", "params": {"learning_rate": "1"}}, "training.params.learning_rate", "number"),
        ({"trainer": "torch", "params": {"validation_fraction": 1}}, "training.params.validation_fraction", "less"),
        ({"trainer": "sklearn", "processes": 2}, "training.processes", "set trainer: torch"),
        ({"processes": 2}, "training.processes", "one process"),
        ({"checkpoint": {"steps": 5}}, "training.checkpoint", "leave it out"),
    ],
)  # fmt: skip
def test_a_wrong_key_is_told_with_its_path(training, key, said):
    assert said in told(training)[key]


@pytest.mark.parametrize(
    "training",
    [
        {
            "trainer": "torch",
            "processes": 2,
            "checkpoint": {"minutes": 1},
            "params": {"hidden": [8]},
        },
        {"trainer": "sklearn", "params": {"epochs": -1}},
        {},
        None,
        {"trainer": "torch", "params": 3},
    ],
)
def test_what_is_right_or_told_elsewhere_is_passed_over(training):
    assert told(training) == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"processes": 0},
        {"processes": 65},
        {"processes": True},
        {"checkpoint": {"steps": 0}},
        {"checkpoint": {"minutes": 0}},
        {"checkpoint": {"hours": 1}},
        {"trainer": "tensorflow"},
    ],
)
def test_the_spec_itself_refuses_what_is_out_of_bounds(fields):
    with pytest.raises(ValidationError):
        TrainingSpec.model_validate({"trainer": "torch", **fields})
