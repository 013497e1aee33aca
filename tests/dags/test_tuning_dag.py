"""A model with `tuning` in its spec: the tasks it gets, and how they run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TUNING = """
tuning:
  trials: 5
  parallel: 2
  space: {learning_rate: {low: 0.01, high: 0.3, log: true}}
"""
LoadDags = Callable[..., dict[str, Any]]


@pytest.fixture
def dag(load_dags: LoadDags, database: None, config: Path) -> Any:
    from airloop.specs import load_catalog

    spec = config / "models" / "flight_delay.yaml"
    spec.write_text(spec.read_text() + TUNING)
    load_catalog.cache_clear()
    return load_dags()["train_flight_delay"]


def _trained_by(done: Any) -> Any:
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        query = XComModel.get_many(
            run_id=done.run_id, dag_ids=done.dag_id, task_ids="train", key="candidate"
        )
        candidate = XComModel.deserialize_value(session.scalars(query).one())
    return json.loads(candidate["params"])["study"]


def test_the_trials_run_side_by_side_and_the_training_takes_the_study(dag: Any) -> None:
    order = [task.task_id for task in dag.topological_sort()]
    assert order == ["claim", "study", "trials", "train", "evaluate", "register"]
    assert dag.task_dict["trials"].max_active_tis_per_dagrun == 2
    done = dag.test(run_conf={"until": "2013-02-28"})
    ran = Counter(ti.task_id for ti in done.get_task_instances() if ti.state == "success")
    assert ran == {**dict.fromkeys(order, 1), "trials": 2}
    assert _trained_by(done).startswith("study:flight_delay:")


def test_known_parameters_cost_no_trials(dag: Any) -> None:
    done = dag.test(run_conf={"until": "2013-02-27"})
    ran = Counter(ti.task_id for ti in done.get_task_instances() if ti.state == "success")
    assert ran["trials"] == 1
    assert ran["register"] == 1
    assert _trained_by(done) is None
