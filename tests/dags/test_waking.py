"""Reasons to train that nobody claimed, and runs that ended without a word: what a real Airflow says of both."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airloop.ledger import Ledger, open_ledger
from airloop.settings import load_settings
from airloop.vocabulary import Cause, TriggerState

MODEL, DAG = "flight_delay", "train_flight_delay"
LoadDags = Callable[..., dict[str, Any]]


@pytest.fixture
def ledger(home: Path) -> Ledger:
    load_settings.cache_clear()
    return open_ledger(load_settings())


@pytest.fixture
def wake(load_dags: LoadDags, database: None, ledger: Ledger) -> Callable[[], Any]:
    dag = load_dags()["airloop_wake"]

    def run() -> tuple[list[str], int]:
        """Its lines, and how many events of the model's retrain asset it emitted."""
        done = dag.test(run_conf={"grace_minutes": 0})
        assert {str(ti.state) for ti in done.get_task_instances()} == {"success"}
        return _lines(done), _events(done)

    return run


def _lines(dag_run: Any) -> list[str]:
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        query = XComModel.get_many(
            run_id=dag_run.run_id, dag_ids="airloop_wake", task_ids="wake", key="return_value"
        )
        row = session.scalars(query).first()
        return list(XComModel.deserialize_value(row)) if row else []


def _events(dag_run: Any) -> int:
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    with create_session() as session:
        query = (
            select(func.count())
            .select_from(AssetEvent)
            .join(AssetModel, AssetModel.id == AssetEvent.asset_id)
            .where(
                AssetModel.name == f"{MODEL}_retrain", AssetEvent.source_run_id == dag_run.run_id
            )
        )
        return int(session.scalar(query) or 0)


@pytest.fixture
def airflow(load_dags: LoadDags, database: None) -> Any:
    """Airflow's tables with the training's DAG in them; what a person does there, done to the rows."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.models.dag import DagModel
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunTriggeredByType
    from sqlalchemy import delete

    class Hand:
        def __init__(self) -> None:
            DagBundlesManager().sync_bundles_to_db()
            with create_session() as session:
                session.merge(DagModel(dag_id=DAG, bundle_name="airloop", is_paused=False))
                session.execute(delete(DagRun).where(DagRun.dag_id == DAG))

        def pause(self, paused: bool) -> None:
            with create_session() as session:
                session.get(DagModel, DAG).is_paused = paused

        def run(self, state: str) -> None:
            with create_session() as session:
                session.add(
                    DagRun(
                        dag_id=DAG,
                        run_id="1",
                        run_type="manual",
                        state=state,
                        run_after=datetime.now(UTC),
                        triggered_by=DagRunTriggeredByType.TEST,
                    )
                )

    return Hand()


@pytest.mark.parametrize(
    ("state", "flies"),
    [("running", True), ("queued", True), ("success", False), ("failed", False), (None, False)],
)
def test_airflow_is_asked_what_became_of_the_run_that_has_a_reason(
    wake: Any, airflow: Any, ledger: Ledger, state: str | None, flies: bool
) -> None:
    """Marked by hand, or deleted (by a person or by `airflow db clean`): it told nobody."""
    if state is not None:
        airflow.run(state)
    ledger.emit_trigger(model=MODEL, cause=Cause.DRIFT, dedup_key="k", reason="drift")
    ledger.claim_trigger(MODEL, f"{DAG}/1")
    assert wake() == ([], 0)
    assert bool(ledger.claims(MODEL)) is flies


def test_a_reason_that_nobody_claimed_is_woken_until_somebody_does(
    wake: Any, airflow: Any, ledger: Ledger
) -> None:
    """Its event was lost; or the training was paused when it came, and is not now."""
    airflow.pause(True)
    ledger.emit_trigger(model=MODEL, cause=Cause.DRIFT, dedup_key="k", reason="drift")
    assert wake() == ([f"{MODEL}: drift: waits, since {DAG} is paused"], 0)
    airflow.pause(False)
    assert wake() == ([f"{MODEL}: drift: woken"], 1)
    assert wake() == ([f"{MODEL}: drift: woken"], 1)
    claimed = ledger.claim_trigger(MODEL, "train/1")
    assert claimed is not None
    ledger.finish_trigger(claimed.id, TriggerState.PASSED)
    assert wake() == ([], 0)


def test_a_reason_of_a_model_that_is_gone_or_unknown_harms_no_other(
    wake: Any, airflow: Any, ledger: Ledger
) -> None:
    for model in ("gone", f"{MODEL}_torch", MODEL):
        ledger.emit_trigger(model=model, cause=Cause.DRIFT, dedup_key="k", reason="drift")
    lines, events = wake()
    assert events == 1
    assert "its spec cannot be read" in lines[0]
    assert len(lines) == 3
