"""What `airloop check` says of tuning and algorithms."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from airloop.issues import issues_of
from airloop.specs.model import ModelSpec
from tests.support.loop.specimens import model_spec

SPACE = {"learning_rate": {"low": 0.01, "high": 0.3, "log": True}}


def told(**changes):
    try:
        model_spec(**changes)
    except ValidationError as error:
        return {mistake.key: mistake for mistake in issues_of(error, ModelSpec)}
    return {}


@pytest.mark.parametrize(
    ("tuning", "key", "word"),
    [
        (
            {"space": {"rate": {"low": 0.3, "high": 0.01}}},
            "tuning.space.rate.low",
            "smaller than high",
        ),
        ({"space": {"rate": {"low": 1, "high": 1}}}, "tuning.space.rate.low", "smaller than high"),
        (
            {"space": {"rate": {"low": 0, "high": 1, "log": True}}},
            "tuning.space.rate.low",
            "above 0",
        ),
        ({"space": {"rate": {"low": 1}}}, "tuning.space.rate", "needs low and high"),
        ({"space": {"rate": {"choices": []}}}, "tuning.space.rate.choices", "no choices"),
        (
            {"space": {"rate": {"choices": [1], "low": 1, "high": 2}}},
            "tuning.space.rate.choices",
            "one of",
        ),
        ({"space": {}}, "tuning.space", ""),
        ({"space": SPACE, "metric": "rmse"}, "tuning.metric", "no metric of classification"),
        ({"space": SPACE, "pruner": "medain"}, "tuning.pruner", "not one of"),
        ({"space": SPACE, "trials": 0}, "tuning.trials", ""),
        ({"space": SPACE, "parallel": True}, "tuning.parallel", ""),
    ],
)
def test_a_wrong_search_is_told_with_its_key(tuning, key, word):
    found = told(tuning=tuning)
    assert list(found) == [key]
    assert word in found[key].what


def test_reversed_bounds_come_with_the_remedy():
    found = told(tuning={"space": {"depth": {"low": 9, "high": 2}}})
    assert found["tuning.space.depth.low"].remedy == "write low: 2, high: 9"


def test_a_right_search_is_taken_as_written():
    spec = model_spec(tuning={"space": {**SPACE, "leaves": {"low": 4, "high": 63}}})
    assert isinstance(spec.tuning.space["leaves"].low, int)
    assert spec.tuning.space["learning_rate"].log


def test_algorithms_need_names_of_their_own_and_something_to_choose_from():
    one = {"name": "boosting"}
    assert list(told(algorithms=[one, one])) == ["algorithms[1].name"]
    assert list(told(algorithms=[one])) == ["algorithms"]
    assert told(algorithms=[one, {"name": "forest", "build": "build_forest"}]) == {}


def test_either_tuning_or_algorithms():
    both = told(tuning={"space": SPACE}, algorithms=[{"name": "a"}, {"name": "b"}])
    assert list(both) == ["tuning"]


def test_one_day_of_training_leaves_none_to_judge_by():
    assert "tuning" in told(tuning={"space": SPACE}, training={"window_days": 3, "holdout_days": 2})
