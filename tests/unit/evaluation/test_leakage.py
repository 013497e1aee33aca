from __future__ import annotations

import sys
import types

import numpy as np
import pandas as pd
import pytest

from airloop.contracts import Outcome
from airloop.errors import SpecError
from airloop.evaluation import leakage
from airloop.features import transform as transform_module
from airloop.specs.inputs import check_inputs
from tests.support.loop.specimens import DAYS, case, dataset_spec, model_spec, rows


def test_honest_features_do_not_leak():
    check = leakage.check(case())
    assert check.outcome is Outcome.OK, check.reason


def test_an_input_known_only_afterwards_is_refused_by_training_and_by_the_gate():
    # As if the check of the specs had let it through.
    spec = model_spec()
    spec = spec.model_copy(update={"inputs": (*spec.inputs, "minutes_late")})
    with pytest.raises(SpecError, match="leakage"):
        check_inputs(spec, dataset_spec())
    check = leakage.check(case(model=spec))
    assert check.outcome is Outcome.BAD
    assert "minutes_late" in check.reason


def test_an_unknown_input_is_named_with_the_nearest():
    with pytest.raises(SpecError, match="did you mean 'distance'"):
        check_inputs(model_spec(inputs=["day", "distanc"]), dataset_spec())


@pytest.mark.parametrize(
    "disguise",
    [
        lambda frame: frame["parcels"] * 0 + frame["rain"].index % 2,
        lambda frame: (frame["rain"].index % 2).astype(str),
    ],
    ids=["number", "text"],
)
def test_a_column_that_is_the_label_in_disguise_is_found(monkeypatch, disguise):
    frame = rows()
    frame["minutes_late"] = frame.index % 2 - 0.5
    planted = types.ModuleType("planted_leak")
    planted.features = lambda part: part[["distance"]].assign(secret=part["distance"].index % 2)
    planted.label = lambda part: (part["minutes_late"] > 0).astype(float)
    monkeypatch.setitem(sys.modules, "planted_leak", planted)
    transform_module._import.cache_clear()
    check = leakage.check(case(model=model_spec(module="planted_leak"), frame=frame))
    assert check.outcome is Outcome.BAD
    assert "secret" in check.reason


def test_a_row_on_both_sides_is_found():
    frame = rows()
    frame.loc[frame.index[-1], "id"] = frame.loc[0, "id"]
    planted = case(frame=frame.assign(minutes_late=frame["minutes_late"].fillna(1.0)))
    check = leakage.check(planted)
    assert check.outcome is Outcome.BAD
    assert check.figures["rows_on_both_sides"] == 1


def test_a_key_that_is_unique_in_its_partition_alone_may_come_again():
    frame = rows()
    frame.loc[frame.index[-1], "id"] = frame.loc[0, "id"]
    planted = case(frame=frame.assign(minutes_late=frame["minutes_late"].fillna(1.0)))
    planted.dataset = dataset_spec(keys_unique="partition")
    assert leakage.check(planted).outcome is Outcome.OK


def test_a_holdout_before_the_training_days_is_refused():
    check = leakage.check(case(holdout=DAYS[:2]))
    assert check.outcome is Outcome.BAD
    assert "after the training days" in check.reason


def test_that_a_value_is_missing_is_a_level_of_its_own():
    truth = np.arange(2_000) % 2.0
    column = pd.Series(np.where(truth == 1, np.nan, np.linspace(0, 1, len(truth))))
    assert leakage.alone(column, truth, column, truth, "classification") == 1.0
