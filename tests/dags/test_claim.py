"""What a training run takes for its reason, by the kind of run that Airflow's SDK says it is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.api.datamodels._generated import DagRunType
from airflow.sdk.exceptions import AirflowSkipException

from airloop.ledger import Ledger, open_ledger
from airloop.settings import load_settings
from airloop.vocabulary import Cause, TriggerOutcome
from airloop_operators.training import ClaimTriggerOperator

MODEL = "flight_delay"
EVER = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def ledger(home: Path) -> Ledger:
    load_settings.cache_clear()
    return open_ledger(load_settings())


def claim(kind: DagRunType, run: str = "1") -> dict[str, Any]:
    dag_run = SimpleNamespace(dag_id=f"train_{MODEL}", run_id=run, run_type=kind, conf={})
    return ClaimTriggerOperator(model=MODEL, task_id="claim").work({"dag_run": dag_run})


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        (DagRunType.SCHEDULED, Cause.SCHEDULE),
        (DagRunType.MANUAL, Cause.ON_DEMAND),
        (DagRunType.OPERATOR_TRIGGERED, Cause.ON_DEMAND),
    ],
)
def test_who_started_it_is_on_record(ledger: Ledger, kind: DagRunType, cause: Cause) -> None:
    claimed = claim(kind)
    (trigger,) = ledger.recent_triggers(MODEL, since=EVER)
    assert (trigger.id, trigger.cause) == (claimed["trigger_id"], cause)


@pytest.mark.parametrize("kind", [DagRunType.ASSET_TRIGGERED, DagRunType.ASSET_MATERIALIZATION])
def test_a_wake_up_without_an_open_reason_is_skipped(ledger: Ledger, kind: DagRunType) -> None:
    with pytest.raises(AirflowSkipException, match="no reason to train flight_delay is open"):
        claim(kind)
    assert ledger.recent_triggers(MODEL, since=EVER) == []


def test_of_two_wake_ups_for_one_reason_the_second_is_skipped(ledger: Ledger) -> None:
    trigger, _ = ledger.emit_trigger(model=MODEL, cause=Cause.DRIFT, dedup_key="k", reason="drift")
    assert claim(DagRunType.ASSET_TRIGGERED, "1")["trigger_id"] == trigger.id
    with pytest.raises(AirflowSkipException):
        claim(DagRunType.ASSET_TRIGGERED, "2")
    ledger.finish_trigger(trigger.id, TriggerOutcome.REJECTED)
    with pytest.raises(AirflowSkipException):
        claim(DagRunType.ASSET_TRIGGERED, "3")


def test_the_sdks_kinds_do_not_print_as_their_values() -> None:
    """The control: who compares what they print sees neither schedule nor asset."""
    assert "asset" not in str(DagRunType.ASSET_TRIGGERED)
    assert "scheduled" not in str(DagRunType.SCHEDULED)
