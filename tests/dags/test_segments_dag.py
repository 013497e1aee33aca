"""A model with `segments` in its spec: the tasks it gets, how they run, and a whole training of the example."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from airloop.specs import load_catalog
from tests.dags.test_pods import cluster  # noqa: F401
from tests.dags.test_structure import _policy_faults
from tests.support.checkout import ROOT
from tests.support.step_host import step_host

LoadDags = Callable[..., dict[str, Any]]
ORDER = ["claim", "segments.divide", "segments.fit", "train", "evaluate", "register"]
EXAMPLE = "flight_delay_by_carrier"


def _change(path: Path, **keys: Any) -> None:
    data = yaml.safe_load(path.read_text()) or {}
    path.write_text(yaml.safe_dump(data | keys, sort_keys=False))
    load_catalog.cache_clear()


@pytest.fixture
def dag(load_dags: LoadDags, database: None, config: Path) -> Any:
    spec = config / "models" / "flight_delay.yaml"
    _change(spec, segments={"column": "carrier", "concurrency": 3})
    return load_dags()["train_flight_delay"]


def _pushed(done: Any, task: str, key: str) -> Any:
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        query = XComModel.get_many(run_id=done.run_id, dag_ids=done.dag_id, task_ids=task, key=key)
        return XComModel.deserialize_value(session.scalars(query).one())


def _ran(done: Any) -> Counter[str]:
    return Counter(ti.task_id for ti in done.get_task_instances() if ti.state == "success")


def test_the_packs_run_side_by_side_before_the_training(dag: Any) -> None:
    assert [task.task_id for task in dag.topological_sort()] == ORDER
    assert dag.task_dict["segments.fit"].max_active_tis_per_dagrun == 3
    assert dag.task_dict["segments.fit"].retries == 8
    assert dag.task_dict["segments.fit"].partial_kwargs["pool"] == "airloop_heavy"
    done = dag.test(run_conf={"until": "2013-02-28"})
    assert _ran(done) == {**dict.fromkeys(ORDER, 1), "segments.fit": 2}
    plan = _pushed(done, "segments.divide", "plan")
    candidate = _pushed(done, "train", "candidate")
    assert json.loads(candidate["params"])["plan"] == plan


def test_the_tasks_have_their_policies_and_survive_serialization(dag: Any) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    serialized = DagSerialization.to_dict(dag)
    assert _policy_faults(serialized["dag"]) == []
    again = DagSerialization.from_dict(serialized)
    fits = {task.task_id: task for task in again.tasks}["segments.fit"]
    assert fits.downstream_task_ids == {"train"}
    assert fits.max_active_tis_per_dagrun == 3


def test_with_tuning_the_segments_wait_for_the_parameters(
    load_dags: LoadDags, config: Path
) -> None:
    space = {"learning_rate": {"low": 0.01, "high": 0.3}}
    tuning = {"trials": 2, "space": space}
    _change(config / "models" / "flight_delay.yaml", segments="carrier", tuning=tuning)
    dag = load_dags()["train_flight_delay"]
    order = [task.task_id for task in dag.topological_sort()]
    assert order == ["claim", "study", "trials", *ORDER[1:]]
    assert "trials" in dag.task_dict["segments.divide"].upstream_task_ids


def test_the_packs_run_as_pods_where_the_spec_says_so(
    cluster: Any,
    config: Path,
    load_dags: LoadDags,
    database: None,
) -> None:
    spec = config / "models" / "flight_delay.yaml"
    _change(spec, segments="carrier", resources={"steps": ["segments"]})
    done = load_dags()["train_flight_delay"].test(run_conf={"until": "2013-02-28"})
    assert _ran(done)["segments.fit"] == 2
    assert {ti.try_number for ti in done.get_task_instances()} == {1}
    assert len({pod["metadata"]["name"] for pod in cluster.created}) == 2
    assert cluster.live() == []


def test_a_pod_that_runs_out_of_memory_is_tried_again(dag: Any, monkeypatch: Any) -> None:
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    from airloop.errors import StepEndedError
    from airloop_operators.segments import TrainSegmentsOperator

    def killed(*arguments: Any) -> Any:
        raise StepEndedError("the step used more memory than its 2Gi and was killed (OOMKilled)")

    operator = TrainSegmentsOperator(task_id="fit", model="flight_delay", plan="p", pack=0)
    monkeypatch.setattr(operator, "run_step", killed)
    with pytest.raises(AirflowException, match="OOMKilled") as caught:
        operator.execute({})
    assert not isinstance(caught.value, AirflowFailException)


@pytest.fixture
def flights(
    config: Path, home: Path, mlflow_tables: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[str]]:
    """Nine days of flights in a lake, the example as a spec for them, and real steps."""
    from airloop.data.lake.digest import rows_digest
    from airloop.data.lake.lake import Lake
    from airloop.data.sources.conform import conform
    from airloop.data.sources.reading import read_rows
    from airloop.ledger import open_ledger
    from airloop.registry import tracking
    from airloop.settings import load_settings

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("AIRLOOP__MLFLOW_URI", f"sqlite:///{home / 'mlflow.db'}")
    home.mkdir()
    shutil.copy(mlflow_tables, home / "mlflow.db")
    load_settings.cache_clear()
    example = config / "examples" / f"{EXAMPLE}.yaml"
    spec = Path(config, "models", example.name)
    spec.write_text(example.read_text())
    training = yaml.safe_load(spec.read_text())["training"]
    _change(
        spec,
        module="tests.support.loop.flights_one_fails",
        training={**training, "window_days": 9, "holdout_days": 3},
        monitoring={"schedule": None, "window_days": 3},
    )
    settings = load_settings()
    # Without a server MLflow's artifacts would lie beside the steps' working folder, the checkout.
    tracking.client(settings).create_experiment(EXAMPLE, str(home / "mlruns"))
    days = [str(day.date()) for day in pd.date_range("2013-01-14", periods=9)]
    dataset, lake, ledger = load_catalog().dataset("flights"), Lake(settings), open_ledger(settings)
    for day in days:
        table, _ = conform(dataset, read_rows(dataset, day))
        lake.replace_partition(
            "flights",
            day,
            table,
            partition_column="flight_date",
            fence=ledger.begin_attempt(f"ingest:flights:{day}"),
            digest=rows_digest(table, without=["flight_date"]),
        )
    with step_host(home):
        yield days


def test_the_example_trains_end_to_end_and_one_airline_that_fails_fails_alone(
    flights: list[str], load_dags: LoadDags, database: None
) -> None:
    from airloop.ledger import open_ledger
    from airloop.registry import loader, models
    from airloop.settings import load_settings

    done = load_dags()[f"train_{EXAMPLE}"].test(
        run_conf={"until": flights[-1]}, mark_success_pattern="approve.*"
    )
    assert _ran(done)["register"] == 1
    settings = load_settings()
    version = models.version(EXAMPLE, 1, settings=settings)
    (decision,) = open_ledger(settings).decisions(EXAMPLE, "segments")
    assert decision.figures["segments_failed"] == 1
    assert "1 failed: EV" in decision.reason
    assert "by design" in decision.reason
    model = loader.load(version.artifact, settings)
    assert decision.figures["segments_own"] == len(model.routing.scorers)
    assert set(model.routing.numbers).isdisjoint({"EV", "HA", "OO"})
