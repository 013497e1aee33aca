"""What a training run takes for its reason, by the kind of run that Airflow's SDK says it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pendulum
import pytest
from airflow.sdk.api.datamodels._generated import DagRunType
from airflow.sdk.exceptions import AirflowSkipException
from sqlalchemy import select, update

from airloop.errors import AirloopError, DataError, SupersededError
from airloop.ledger import Ledger, open_ledger
from airloop.ledger.tables import triggers
from airloop.settings import load_settings
from airloop.specs import load_catalog
from airloop.vocabulary import Cause, TriggerState
from airloop_operators import claims
from airloop_operators.training import ClaimTriggerOperator, TrainModelOperator

MODEL = "flight_delay"
EVER = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def ledger(home: Path) -> Ledger:
    load_settings.cache_clear()
    return open_ledger(load_settings())


def claim(
    kind: DagRunType,
    run: str = "1",
    *,
    attempt: int = 1,
    cleared: int = 0,
    task: ClaimTriggerOperator | None = None,
    interval: tuple[str, str] | None = None,
    dag: Any = None,
    **conf: Any,
) -> dict[str, Any]:
    dag_run = SimpleNamespace(
        dag_id=f"train_{MODEL}", run_id=run, run_type=kind, conf=conf, clear_number=cleared
    )
    context = {"dag_run": dag_run, "ti": SimpleNamespace(try_number=attempt), "dag": dag}
    if interval is not None:
        first, last = (pendulum.parse(day, tz="UTC") for day in interval)
        context |= {"data_interval_start": first, "data_interval_end": last}
    return (task or ClaimTriggerOperator(model=MODEL, task_id="claim")).work(context)


def says(monkeypatch: pytest.MonkeyPatch, lives: bool | None) -> None:
    """What Airflow says of every run; None where it does not answer."""
    monkeypatch.setattr(claims, "run_lives", lambda *_: lives)


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
    ledger.finish_trigger(trigger.id, TriggerState.REFUSED)
    with pytest.raises(AirflowSkipException):
        claim(DagRunType.ASSET_TRIGGERED, "3")


def test_of_three_equal_runs_one_trains_and_the_others_link_it(ledger: Ledger) -> None:
    claim(DagRunType.MANUAL, "1", until="2013-01-31")
    for run in ("2", "3"):
        task = ClaimTriggerOperator(model=MODEL, task_id="claim")
        with pytest.raises(AirflowSkipException, match=f"run train_{MODEL}/1 has it"):
            claim(DagRunType.MANUAL, run, task=task, until="2013-01-31")
        assert task.found_links == {"Run that has it": f"/dags/train_{MODEL}/runs/1"}
    assert len(ledger.claims(MODEL)) == 1
    assert claim(DagRunType.MANUAL, "4", until="2013-02-28")["until"] == "2013-02-28"


def test_a_person_and_the_drift_each_keep_their_reason(ledger: Ledger) -> None:
    """As after a pause: the drift's event woke nobody, and a person trains meanwhile."""
    ledger.emit_trigger(model=MODEL, cause=Cause.DRIFT, dedup_key="k", reason="drift")
    assert claim(DagRunType.MANUAL, "1", reason="mine")["reason"] == "mine"
    assert claim(DagRunType.ASSET_TRIGGERED, "2")["reason"] == "drift"


def test_at_level_0_a_person_is_the_one_who_was_waited_for(ledger: Ledger, config: Path) -> None:
    path = config / "models" / f"{MODEL}.yaml"
    path.write_text(path.read_text().replace("level: 1", "level: 0"))
    load_catalog.cache_clear()
    ledger.emit_trigger(model=MODEL, cause=Cause.DRIFT, dedup_key="k", reason="drift")
    assert claim(DagRunType.MANUAL, "1", reason="mine")["reason"] == "mine"
    assert claim(DagRunType.MANUAL, "2")["reason"] == "drift"


def test_what_a_dead_run_has_is_in_flight_no_more(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = claim(DagRunType.MANUAL, "1")
    says(monkeypatch, False)
    assert claim(DagRunType.MANUAL, "2")["trigger_id"] != dead["trigger_id"]
    (decision,) = ledger.decisions(MODEL)
    assert (decision.topic, decision.action) == ("run", "abandoned")
    assert f"run train_{MODEL}/1 was ended, or is gone" in decision.reason


@pytest.mark.parametrize("lives", [True, None])
def test_what_lives_or_cannot_be_told_stays_in_flight(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, lives: bool | None
) -> None:
    claim(DagRunType.MANUAL, "1")
    says(monkeypatch, lives)
    with pytest.raises(AirflowSkipException, match="the same training is in flight"):
        claim(DagRunType.MANUAL, "2")
    (told,) = ledger.decisions(MODEL)
    assert (told.topic, told.action) == ("run", "nothing")
    assert told.reason == f"the same training is in flight: run train_{MODEL}/1 has it"


def test_a_run_id_used_again_trains_for_its_own_reason(ledger: Ledger) -> None:
    old = claim(DagRunType.MANUAL, "1", reason="old")
    again = claim(DagRunType.MANUAL, "1", attempt=2, reason="old")
    assert again["trigger_id"] == old["trigger_id"]
    ledger.finish_trigger(old["trigger_id"], TriggerState.PASSED)
    new = claim(DagRunType.MANUAL, "1", reason="new")
    assert (new["reason"], new["trigger_id"] != old["trigger_id"]) == ("new", True)


def test_a_cleared_run_goes_on_with_the_reason_that_failed(ledger: Ledger) -> None:
    failed = claim(DagRunType.MANUAL, "1", reason="mine")
    ledger.finish_trigger(failed["trigger_id"], TriggerState.FAILED)
    assert claim(DagRunType.MANUAL, "1", attempt=2, cleared=1, reason="mine") == failed
    assert len(ledger.claims(MODEL)) == 1


def test_a_merged_request_stays_so_when_it_is_tried_again_and_is_asked_anew_when_cleared(
    ledger: Ledger,
) -> None:
    first = claim(DagRunType.MANUAL, "1")
    for attempt in (1, 2):
        with pytest.raises(AirflowSkipException, match=f"run train_{MODEL}/1 has it"):
            claim(DagRunType.MANUAL, "2", attempt=attempt)
        ledger.finish_trigger(first["trigger_id"], TriggerState.PASSED)
    assert states(ledger) == ["passed", "merged"]
    assert claim(DagRunType.MANUAL, "2", attempt=3, cleared=1)["trigger_id"] != first["trigger_id"]
    assert states(ledger) == ["passed", "merged", "claimed"]


def states(ledger: Ledger) -> list[str]:
    with ledger.transaction() as connection:
        return list(connection.scalars(select(triggers.c.state).order_by(triggers.c.number)))


def test_a_trigger_carries_its_partition(ledger: Ledger) -> None:
    """A person's is the last of the window asked for, the schedule's the last that ended in its interval."""
    claim(DagRunType.MANUAL, "1", until="2013-01-31")
    claim(DagRunType.MANUAL, "2")
    claim(DagRunType.SCHEDULED, "3", interval=("2013-02-01", "2013-02-04"))
    claim(DagRunType.SCHEDULED, "4")
    found = ledger.recent_triggers(MODEL, since=EVER)
    assert [one.partition for one in found] == ["2013-01-31", None, "2013-02-03", None]


def test_ticks_about_the_same_partition_are_one_training(ledger: Ledger) -> None:
    interval = ("2013-02-01", "2013-02-04")
    claim(DagRunType.SCHEDULED, "1", interval=interval)
    with pytest.raises(AirflowSkipException, match="the same training is in flight"):
        claim(DagRunType.SCHEDULED, "2", interval=interval)
    claim(DagRunType.SCHEDULED, "3", interval=("2013-02-04", "2013-02-05"))
    assert len(ledger.claims(MODEL)) == 2


@pytest.mark.parametrize(("ends", "until"), [("newest", None), ("partition", "2013-03-08")])
def test_the_policy_says_where_a_triggers_training_ends(
    ledger: Ledger, config: Path, ends: str, until: str | None
) -> None:
    path = config / "models" / f"{MODEL}.yaml"
    text = path.read_text().replace("retraining: {", f"retraining: {{window_ends: {ends}, ")
    path.write_text(text)
    load_catalog.cache_clear()
    ledger.emit_trigger(
        model=MODEL, cause=Cause.DRIFT, dedup_key="k", reason="drift", partition="2013-03-08"
    )
    assert claim(DagRunType.ASSET_TRIGGERED, "1")["until"] == until
    # What a person says goes before.
    assert claim(DagRunType.MANUAL, "2", until="2013-01-31")["until"] == "2013-01-31"


@pytest.mark.parametrize(("lives", "end"), [(None, "lost"), (True, "claimed"), (False, "lost")])
def test_a_lease_that_is_over_holds_by_airflows_word_alone(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, lives: bool | None, end: str
) -> None:
    """As long as its DAG lets a run live; no answer is no end before, and an end after."""
    dag = SimpleNamespace(dagrun_timeout=timedelta(hours=2))
    claim(DagRunType.MANUAL, "1", dag=dag)
    (held,) = ledger.claims(MODEL)
    assert held.lease is not None
    assert timedelta(hours=1) < held.lease - datetime.now(UTC) <= timedelta(hours=2)
    says(monkeypatch, lives)
    with ledger.transaction() as connection:
        connection.execute(update(triggers).values(lease=datetime.now(UTC)))
    claims.settle(ledger, MODEL)
    assert states(ledger) == [end]
    if lives is None:
        (told,) = ledger.decisions(MODEL)
        assert "was seen by nobody for as long as it may live" in told.reason
    for one in ledger.claims(MODEL):
        assert one.lease is not None
        assert one.lease > datetime.now(UTC) + timedelta(days=6)


def test_an_attempt_that_was_superseded_ends_no_reason(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that took over goes on with it; any other error that is final ends it."""
    found = claim(DagRunType.MANUAL, "1")["trigger_id"]
    task = TrainModelOperator(model=MODEL, trigger_id=found, task_id="train")
    context = {"dag_run": SimpleNamespace(conf={}, dag_id=f"train_{MODEL}", run_id="1")}
    ended: list[AirloopError] = [SupersededError("superseded by attempt 2"), DataError("too few days")]  # fmt: skip
    for error, state in zip(ended, ("claimed", "failed"), strict=True):
        monkeypatch.setattr(task, "run_step", Mock(side_effect=error))
        with pytest.raises(type(error)):
            task.work(context)
        assert states(ledger) == [state]


def test_the_sdks_kinds_do_not_print_as_their_values() -> None:
    """The control: who compares what they print sees neither schedule nor asset."""
    assert "asset" not in str(DagRunType.ASSET_TRIGGERED)
    assert "scheduled" not in str(DagRunType.SCHEDULED)
