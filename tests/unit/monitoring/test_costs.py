"""What answers cost a day: untrue, wrong, and off together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from airloop.columns import LABEL, PARTITION, PREDICTION
from airloop.monitoring import costs
from airloop.monitoring.costs import DayCosts


def test_a_classifications_costs_are_its_log_loss_its_errors_and_its_bias() -> None:
    found = costs.costs_of("classification", np.array([1.0, 0.0]), np.array([0.8, 0.6]))
    assert found["log loss"] == pytest.approx(-(np.log(0.8) + np.log(0.4)) / 2)
    assert (found["error rate"], found["bias"]) == (0.5, pytest.approx(0.2))


def test_a_regressions_costs_are_squared_and_plain_errors_and_its_bias() -> None:
    found = costs.costs_of("regression", np.array([1.0, 2.0]), np.array([2.0, 4.0]))
    assert found == {"squared error": 2.5, "error": 1.5, "bias": 1.5}


def test_the_hours_of_a_day_are_one_day_and_a_day_of_few_answers_is_none() -> None:
    hours = {
        "2013-01-05T0600Z": DayCosts(30, {"bias": 0.1}),
        "2013-01-05T0700Z": DayCosts(10, {"bias": 0.5}),
        "2013-01-06T0600Z": DayCosts(5, {"bias": 0.9}),
    }
    assert costs.by_day(hours) == {"2013-01-05": {"bias": pytest.approx(0.2)}}


def test_partitions_are_told_apart() -> None:
    rows = pd.DataFrame(
        {PARTITION: ["2013-01", "2013-02"], LABEL: [1.0, 0.0], PREDICTION: [0.5, 0.5]}
    )
    found = costs.by_partition("classification", rows)
    assert {key: one.costs["bias"] for key, one in found.items()} == {"2013-01": -0.5, "2013-02": 0.5}  # fmt: skip
    assert costs.columns([]) == {}
