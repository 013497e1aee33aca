"""The DAGs run in Airflow, their steps as real processes with stand-ins for the work."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pendulum
import pytest

LoadDags = Callable[..., dict[str, Any]]
Run = Callable[..., Any]


@pytest.fixture
def run(load_dags: LoadDags, database: None, home: Path) -> Run:
    """Run one DAG to its end with a conf."""
    from airloop.settings import load_settings

    load_settings.cache_clear()

    def run(dag_id: str, conf: dict[str, Any] | None = None, **kwargs: Any) -> Any:
        return load_dags()[dag_id].test(run_conf=conf or {}, **kwargs)

    return run


@pytest.fixture
def ledger(home: Path) -> Any:
    from airloop.ledger import open_ledger
    from airloop.settings import load_settings

    return open_ledger(load_settings())


def _states(dag_run: Any) -> dict[str, str]:
    return {ti.task_id: str(ti.state) for ti in dag_run.get_task_instances()}


def _xcom(dag_run: Any, task: str, key: str = "return_value") -> Any:
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        query = XComModel.get_many(
            run_id=dag_run.run_id, dag_ids=dag_run.dag_id, task_ids=task, key=key
        )
        row = session.scalars(query).first()
        return XComModel.deserialize_value(row) if row else None


def test_one_day_is_ingested_and_linked(run: Run) -> None:
    done = run("ingest_flights", {"partition": "2013-01-06"})
    assert _states(done) == {"ingest": "success"}
    result = _xcom(done, "ingest")
    assert result["dataset"]["partitions"] == ["2013-01-06"]
    assert (result["rows"], result["quarantined"]) == (842, 1)
    assert _xcom(done, "ingest", "_link_DataDocsLink") == (
        "/airloop/reports/data_docs/flights/2013-01-06/attempt-1.html"
    )


def test_a_range_of_days_is_one_run(run: Run) -> None:
    done = run("ingest_flights", {"start": "2013-02-26", "end": "2013-03-02"})
    assert _xcom(done, "ingest")["rows"] == 5 * 842


def test_a_refused_day_fails_at_once(run: Run) -> None:
    done = run("ingest_flights", {"partition": "2013-01-05"})
    (task,) = done.get_task_instances()
    assert (str(task.state), task.try_number) == ("failed", 1)
    assert _xcom(done, "ingest") is None


@pytest.mark.parametrize(
    "conf", [{"partiton": "2013-01-06"}, {"start": "2013-01-06"}, {"partition": "2014-01-05"}]
)
def test_a_run_that_names_no_day_of_the_dataset_is_refused(
    run: Run, ledger: Any, conf: dict[str, Any]
) -> None:
    done = run("ingest_flights", conf)
    assert _states(done) == {"ingest": "failed"}
    assert ledger.begin_attempt("ingest:flights:2013-01-06").token == 1  # none had begun


NOW_AS_THE_FORM_SENDS_IT = pendulum.now("UTC")


@pytest.mark.parametrize("date", [NOW_AS_THE_FORM_SENDS_IT, None], ids=["form", "none"])
def test_the_form_as_it_opens_ingests_the_datasets_newest_day(run: Run, date: Any) -> None:
    """The dataset ended years ago: nothing is missing, and there is no alert."""
    conf = {"partition": None, "start": None, "end": None}
    done = run("ingest_flights", conf, logical_date=date)
    assert _xcom(done, "ingest")["dataset"]["partitions"] == ["2013-12-31"]


@pytest.mark.parametrize("kind", ["monitor", "score"])
def test_the_form_as_it_opens_looks_at_the_newest_day_there_is(
    run: Run, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    from airloop.data.lake.lake import Lake

    monkeypatch.setattr(Lake, "partitions", lambda *_: ("2013-03-07", "2013-03-08"))
    form = {"partition": None}
    done = run(f"{kind}_flight_delay", form, logical_date=NOW_AS_THE_FORM_SENDS_IT)
    result = _xcom(done, kind)
    day = result["report"]["partition"] if kind == "monitor" else result["table"]["partitions"][0]
    assert day == "2013-03-08"


def test_a_date_in_the_form_means_the_day_before(run: Run) -> None:
    """As on the schedule: at that moment this is the last day that is over."""
    done = run("ingest_flights", logical_date=pendulum.datetime(2013, 3, 9, 6, tz="UTC"))
    assert _xcom(done, "ingest")["dataset"]["partitions"] == ["2013-03-08"]


def test_the_form_as_it_opens_delivers_the_newest_candidate_once(run: Run, ledger: Any) -> None:
    assert _states(run("deploy_flight_delay"))["verify"] == "failed"  # there is none
    run("train_flight_delay", {"reason": None, "until": None, "params": None})
    assert set(_states(run("deploy_flight_delay", {"version": None})).values()) == {"success"}
    assert ledger.current_deployment("flight_delay").version == 1
    assert _states(run("deploy_flight_delay"))["verify"] == "skipped"


def test_training_claims_a_reason_and_registers(run: Run, ledger: Any) -> None:
    done = run("train_flight_delay", {"reason": "first", "until": "2013-02-20"})
    assert set(_states(done).values()) == {"success"}
    assert _xcom(done, "claim")["reason"] == "first"
    assert _xcom(done, "train")["candidate"]["holdout"] == ["2013-02-20"]
    assert _xcom(done, "register")["version"]["version"] == 1
    assert ledger.open_triggers("flight_delay") == []


def test_a_gates_no_is_red_final_and_on_record(run: Run, ledger: Any) -> None:
    done = run("train_flight_delay", {"params": {"auc": 0.5}})
    assert _states(done) == {
        "claim": "success",
        "train": "success",
        "evaluate": "failed",
        "register": "upstream_failed",
    }
    assert (
        _xcom(done, "evaluate", "gate_report")["checks"][0]["reason"] == "roc_auc 0.5 against 0.6"
    )


def _killed_training(load_dags: LoadDags, ledger: Any, *, callback: bool = True) -> list[str]:
    """The run whose training is killed, once no retry is left, if its reason is in flight then."""
    dag = load_dags()["train_flight_delay"]
    dag.get_task("train").retries = 0
    if not callback:
        dag.on_failure_callback, dag.has_on_failure_callback = None, False
    done = dag.test(run_conf={"params": {"die": True}})
    assert _states(done)["train"] == "failed"
    return [claim.run for claim in ledger.claims("flight_delay")]


def _held_back(ledger: Any, night: str = "2013-07-01") -> str:
    """What the policy says of a night with drift."""
    from airloop.contracts import DriftReport
    from airloop.monitoring.decision import answer
    from airloop.specs import load_catalog
    from airloop.vocabulary import Triage

    report = DriftReport(
        model="flight_delay",
        partition=night,
        reference_rows=9,
        current_rows=9,
        features=(),
        triage=Triage.DRIFT,
        reason="it drifts",
    )
    spec = load_catalog().model("flight_delay").retraining
    return str(answer(ledger, spec, report, now=datetime.now(UTC))[0].action)


def test_a_training_killed_for_good_holds_back_no_later_one(
    run: Run, load_dags: LoadDags, ledger: Any
) -> None:
    assert _killed_training(load_dags, ledger) == []
    assert ledger.finish_claimed("flight_delay", "another run", "failed") is None
    assert _held_back(ledger) == "retrain"


def test_control_without_the_callback_it_would(run: Run, load_dags: LoadDags, ledger: Any) -> None:
    assert len(_killed_training(load_dags, ledger, callback=False)) == 1
    assert _held_back(ledger) == "wait"
    run("monitor_flight_delay", {"partition": "2013-03-08"})  # asks Airflow what became of it
    assert _held_back(ledger, "2013-07-02") == "retrain"


def test_a_night_without_drift_wakes_nobody(run: Run, ledger: Any) -> None:
    done = run("monitor_flight_delay", {"partition": "2013-03-08"})
    assert _xcom(done, "monitor")["decision"]["action"] == "wait"
    assert _events("flight_delay_retrain", done) == 0


def test_a_night_of_drift_wakes_the_training_once_however_often_it_is_replayed(
    run: Run, ledger: Any
) -> None:
    first = run("monitor_flight_delay", {"partition": "2013-07-01"})
    again = run("monitor_flight_delay", {"partition": "2013-07-01"})
    assert len(ledger.open_triggers("flight_delay")) == 1
    assert _events("flight_delay_retrain", first) == 1
    ledger.claim_trigger("flight_delay", "somebody")
    late = run("monitor_flight_delay", {"partition": "2013-07-01"})
    assert _xcom(again, "monitor")["created"] is False
    assert _events("flight_delay_retrain", late) == 0


def _events(asset: str, dag_run: Any) -> int:
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    with create_session() as session:
        query = (
            select(func.count())
            .select_from(AssetEvent)
            .join(AssetModel, AssetModel.id == AssetEvent.asset_id)
            .where(AssetModel.name == asset, AssetEvent.source_run_id == dag_run.run_id)
        )
        return int(session.scalar(query) or 0)


def test_the_days_own_interval_names_the_partition(run: Run) -> None:
    morning = pendulum.datetime(2013, 3, 9, 9, tz="UTC")  # the interval from 8 to 8 is over
    done = run("monitor_flight_delay", logical_date=morning)
    assert _xcom(done, "monitor")["report"]["partition"] == "2013-03-08"


def test_a_version_is_verified_and_promoted(run: Run, ledger: Any) -> None:
    done = run("deploy_flight_delay", {"version": 4})
    assert set(_states(done).values()) == {"success"}
    assert ledger.current_deployment("flight_delay").version == 4


def test_a_version_that_cannot_serve_is_not_promoted(run: Run, ledger: Any) -> None:
    done = run("deploy_flight_delay", {"version": 13})
    assert _states(done) == {"verify": "failed", "promote": "upstream_failed"}
    assert ledger.current_deployment("flight_delay") is None


def test_a_day_is_scored(run: Run) -> None:
    done = run("score_flight_delay", {"partition": "2013-03-08"})
    assert _xcom(done, "score")["table"]["partitions"] == ["2013-03-08"]
