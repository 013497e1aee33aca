from __future__ import annotations

import pytest

from airloop.data.snapshot import split
from airloop.errors import DataError, RequestError, SpecError
from airloop.training.fitted import fit
from tests.support.loop.specimens import HOLDOUT, dataset_spec, model_spec, rows


def fitted(spec=None, frame=None, params=None):
    spec = spec or model_spec()
    frame = rows() if frame is None else frame
    return fit(spec, dataset_spec(), split(spec, dataset_spec(), frame, HOLDOUT), params)


def test_the_same_snapshot_and_seed_give_the_same_model():
    assert (fitted().scores == fitted().scores).all()


def test_it_learns():
    assert fitted().metrics["roc_auc"] > 0.7


def test_the_specs_seed_reaches_the_estimator():
    assert fitted().estimator.get_params()["model__random_state"] == 1


def test_a_runs_parameters_override_the_specs():
    made = fitted(params={"max_iter": 1, "learning_rate": 0.001})
    assert made.params == {"max_iter": 1, "learning_rate": 0.001}
    assert made.estimator["model"].n_iter_ == 1


@pytest.mark.parametrize("params", [{"max_itre": 3}, {"max_iter": "many"}, {"max_iter": -1}])
def test_a_wrong_parameter_of_a_run_is_a_request_error(params):
    with pytest.raises(RequestError):
        fitted(params=params)


def test_a_wrong_parameter_of_the_spec_is_a_spec_error():
    with pytest.raises(SpecError, match="max_itre"):
        fitted(model_spec(training={"params": {"max_itre": 3}}))


def test_too_few_rows_are_refused():
    with pytest.raises(DataError, match="at least 100000"):
        fitted(model_spec(training={"min_rows": 100_000}))


def test_one_class_is_refused():
    with pytest.raises(DataError, match="same label"):
        fitted(frame=rows().assign(minutes_late=3.0))
