"""The DAGs as Airflow sees them: names, wiring, policies, versions, and what their parse costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pendulum
import pytest

from airloop.specs import Catalog, load_catalog
from tests.support.checkout import ROOT

FILES = ("ingest", "train", "deploy", "monitor", "score", "replay", "wake")
HEAVY = (
    *("bentoml", "evidently", "great_expectations", "mlflow", "numpy", "onnxruntime", "pandas"),
    *("pyarrow", "sklearn", "deltalake", "matplotlib", "torch"),
)
LoadDags = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def dags(load_dags: LoadDags) -> dict[str, Any]:
    from airloop.specs import load_catalog

    load_catalog.cache_clear()
    return load_dags()


def test_each_kind_has_its_dag(dags: dict[str, Any]) -> None:
    kinds, models = ("train", "deploy", "monitor", "score"), ("flight_delay", "flight_delay_torch")
    of_models = {f"{kind}_{name}" for kind in kinds for name in models}
    assert (
        set(dags)
        == {"ingest_flights", "airloop_audit", "airloop_examine", "airloop_replay", "airloop_wake"}
        | of_models
    )


def test_neither_nights_nor_partitions_wake_the_network(dags: dict[str, Any]) -> None:
    for kind in ("monitor", "score"):
        assert dags[f"{kind}_flight_delay_torch"].schedule is None


@pytest.mark.parametrize(
    ("dag_id", "chain"),
    [
        ("ingest_flights", ["ingest"]),
        ("train_flight_delay", ["claim", "train", "evaluate", "register"]),
        ("deploy_flight_delay", ["verify", "promote"]),
        ("monitor_flight_delay", ["monitor"]),
        ("score_flight_delay", ["score"]),
    ],
)
def test_tasks_follow_each_other(dags: dict[str, Any], dag_id: str, chain: list[str]) -> None:
    assert [task.task_id for task in dags[dag_id].topological_sort()] == chain


def test_runs_are_explicit_about_their_data(dags: dict[str, Any]) -> None:
    ingest, monitor = dags["ingest_flights"].schedule, dags["monitor_flight_delay"].schedule
    assert type(ingest).__name__ == "CronDataIntervalTimetable"
    assert type(monitor).__name__ == "CronDataIntervalTimetable"


def test_a_night_may_be_looked_at_whenever_a_partition_arrives(
    config: Path, load_dags: LoadDags
) -> None:
    path = config / "models" / "flight_delay.yaml"
    text = path.read_text().replace("monitoring: {", "monitoring: {schedule: dataset, ")
    assert "schedule: dataset" in text
    path.write_text(text)
    load_catalog.cache_clear()
    schedule = load_dags()["monitor_flight_delay"].schedule
    assert type(schedule).__name__ == "PartitionedAssetTimetable"


def test_nothing_delivers_in_a_backfill(dags: dict[str, Any]) -> None:
    for dag_id in ("train_flight_delay", "deploy_flight_delay"):
        assert "backfill" not in {str(kind.value) for kind in dags[dag_id].allowed_run_types}


def test_the_form_asks_what_the_conf_takes(dags: dict[str, Any]) -> None:
    assert set(dags["ingest_flights"].params) == {"partition", "start", "end"}
    assert set(dags["train_flight_delay"].params) == {"reason", "until", "as_of", "params"}
    assert set(dags["deploy_flight_delay"].params) == {"version"}


def _policy_faults(dag: dict[str, Any]) -> list[str]:
    """What is missing in a serialized DAG: invariant O5."""
    pools = json.loads((ROOT / "config" / "pools.json").read_text())
    faults = [
        f"{dag['dag_id']} says nothing of {key}"
        for key in ("catchup", "max_active_runs", "dagrun_timeout", "doc_md", "description")
        if dag.get(key) in (None, "") or key not in dag
    ]
    defaults = dag.get("default_args", {}).get("__var", {})
    for task in dag["tasks"]:
        fields = {**defaults, **task["__var"]}
        fields |= fields.get("partial_kwargs", {})  # of a mapped task
        name = f"{dag['dag_id']}.{fields['task_id']}"
        approval = fields["task_type"] == "ApproveModelOperator"
        if not approval and not fields.get("execution_timeout"):
            faults.append(f"{name} has no execution_timeout")
        if not approval and fields.get("retries", 0) < 1:
            faults.append(f"{name} is never tried again")
        if not approval and not fields.get("retry_exponential_backoff"):
            faults.append(f"{name} has no backoff")
        if fields.get("owner") in (None, "airflow"):
            faults.append(f"{name} has no owner")
        if not fields.get("doc_md"):
            faults.append(f"{name} has no doc_md")
        if fields["task_id"] in ("train", "evaluate", "monitor", "score") and (
            fields.get("pool") not in pools
        ):
            faults.append(f"{name} is heavy and in no pool")
    return faults


def test_every_task_has_its_policies(dags: dict[str, Any]) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    for dag in dags.values():
        assert _policy_faults(DagSerialization.to_dict(dag)["dag"]) == []


def test_control_a_bare_dag_violates_the_policies() -> None:
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk import DAG
    from airflow.serialization.serialized_objects import DagSerialization

    with DAG("bare", schedule=None) as dag:
        EmptyOperator(task_id="train")
    assert len(_policy_faults(DagSerialization.to_dict(dag)["dag"])) >= 6


def test_dags_survive_serialization(dags: dict[str, Any]) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    for dag in dags.values():
        serialized = DagSerialization.to_dict(dag)
        again = DagSerialization.from_dict(serialized)
        assert {task.task_id: task.downstream_task_ids for task in again.tasks} == {
            task.task_id: task.downstream_task_ids for task in dag.tasks
        }
        json.dumps(serialized)


@pytest.mark.parametrize("file", FILES)
def test_no_parse_makes_a_new_version_of_a_dag(file: str) -> None:
    from airflow.utils.dag_version_inflation_checker import check_dag_file_stability

    assert (
        check_dag_file_stability(
            str(ROOT / "dags" / "airloop_dags" / f"{file}.py")
        ).runtime_varying_values
        == {}
    )


_PARSE = """
import sys, time, json, socket
from airflow.dag_processing.dagbag import DagBag
import airflow.sdk, airflow.providers.standard.operators.hitl, pydantic
def refuse(*a, **k): raise AssertionError("a parse must not use the network")
socket.socket.connect = refuse
started = time.process_time()
bag = DagBag(sys.argv[1])
print(json.dumps({"errors": list(bag.import_errors.values()), "dags": sorted(bag.dags),
    "seconds": time.process_time() - started, "modules": sorted({n.split(".")[0] for n in sys.modules})}))
"""


def test_a_parse_is_quick_and_loads_nothing_heavy(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PARSE, str(ROOT / "dags")],
        env=os.environ | {"PYTHONPATH": str(ROOT), "AIRLOOP_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    parsed = json.loads(done.stdout.splitlines()[-1])
    assert parsed["errors"] == []
    assert len(parsed["dags"]) == 13
    assert not set(HEAVY) & set(parsed["modules"])
    assert parsed["seconds"] < 3  # CPU seconds for all ten, in a process that has seen none of ours


def test_a_task_parses_its_own_dag_only(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.dag_processing.dagbag import DagBag

    spec = (config / "models" / "flight_delay.yaml").read_text()
    for number in range(20):
        name = f"copy_{number}"
        (config / "models" / f"{name}.yaml").write_text(
            spec.replace("name: flight_delay", f"name: {name}")
        )
    (config / "models" / "copy_7.yaml").write_text("this one: is broken")
    everything = DagBag(ROOT / "dags" / "loop.py")
    assert "copy_7.yaml" in "".join(everything.import_errors.values())
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "train_flight_delay")
    original, read = Catalog.model, []
    monkeypatch.setattr(
        Catalog, "model", lambda self, name: (read.append(name), original(self, name))[1]
    )
    mine = DagBag(ROOT / "dags" / "loop.py")
    assert (mine.import_errors, list(mine.dags)) == ({}, ["train_flight_delay"])
    assert set(read) == {"flight_delay"}


def test_a_stack_that_has_just_started_replays_nothing(dags: dict[str, Any]) -> None:
    """A first run at once would be a step per model beside everything that a start has to do."""
    from airflow.serialization.serialized_objects import DagSerialization
    from airflow.timetables.base import TimeRestriction

    core = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dags["airloop_replay"]))
    none = TimeRestriction(core.start_date, None, catchup=False)
    first = core.timetable.next_dagrun_info(last_automated_data_interval=None, restriction=none)
    assert core.start_date is None
    # A year of a large dataset takes longer than the hour that a step has by default.
    assert core.get_task("replay").partial_kwargs["execution_timeout"] == timedelta(hours=12)
    assert first is not None
    assert first.run_after > pendulum.now("UTC")
