from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Table, delete, select, update
from sqlalchemy.exc import IntegrityError

from airloop.contracts import ArtifactRef, Trigger
from airloop.errors import GateError, RequestError, SupersededError
from airloop.ledger import Ledger, attempts, claims, open_ledger
from airloop.ledger import decisions as rows
from airloop.ledger.claims import Request
from airloop.ledger.tables import decisions, deployments, triggers
from airloop.settings import Settings
from airloop.vocabulary import Action, Cause, DeploymentKind, Topic, TriggerState

KEY = "promote:flight_delay"
ENDS = [TriggerState.PASSED, TriggerState.REFUSED, TriggerState.FAILED, TriggerState.LOST]


def emit(ledger: Ledger, key: str) -> str:
    trigger, _ = ledger.emit_trigger(model="m", cause="drift", dedup_key=key, reason="r")
    return trigger.id


def _states(ledger: Ledger) -> list[str | None]:
    with ledger.transaction() as connection:
        return list(connection.scalars(select(triggers.c.state)))


def test_a_newer_attempt_shuts_the_older_out(ledger: Ledger) -> None:
    old = ledger.begin_attempt("ingest:flights:2013-01-05", owner="try 1")
    ledger.check_fence(old)
    new = ledger.begin_attempt("ingest:flights:2013-01-05", owner="try 2")
    ledger.check_fence(new)
    with pytest.raises(SupersededError, match="superseded by attempt 2"):
        ledger.check_fence(old)


def test_attempts_under_different_keys_do_not_meet(ledger: Ledger) -> None:
    first = ledger.begin_attempt("ingest:flights:2013-01-05")
    ledger.begin_attempt("ingest:flights:2013-01-06")
    ledger.check_fence(first)


def test_the_newest_attempt_of_a_key_is_known_and_none_is_nought(ledger: Ledger) -> None:
    for _ in range(3):
        ledger.begin_attempt("ingest:flights:2013-01-05")
    ledger.begin_attempt("ingest:flights:2013-01-06")
    newest = map(ledger.newest_attempt, ("ingest:flights:2013-01-05", "ingest:flights:2013-01-07"))
    assert tuple(newest) == (3, 0)


def test_a_decision_is_found_by_its_id(ledger: Ledger) -> None:
    told = ledger.record_decision(
        entity="m", topic=Topic.RETRAINING, action=Action.WAIT, reason="quiet", id="night"
    )
    assert ledger.decision("night") == told
    assert ledger.decision("another") is None


def test_of_each_entity_the_last_decision_on_a_topic_is_known(ledger: Ledger) -> None:
    for number, (entity, topic) in enumerate(
        [("a", Topic.REPLAY), ("b", Topic.REPLAY), ("a", Topic.REPLAY), ("b", Topic.GATE)]
    ):
        ledger.record_decision(
            entity=entity, topic=topic, action=Action.MEASURED, reason=f"{number}", id=f"{number}"
        )
    found = ledger.newest_decisions(Topic.REPLAY)
    assert {entity: one.reason for entity, one in found.items()} == {"a": "2", "b": "1"}
    assert ledger.newest_decisions(Topic.ALERT) == {}


def test_attempts_begun_at_once_get_different_tokens(ledger: Ledger) -> None:
    with ThreadPoolExecutor(8) as pool:
        fences = list(pool.map(lambda _: ledger.begin_attempt("k"), range(24)))
    assert sorted(fence.token for fence in fences) == list(range(1, 25))


def test_a_trigger_is_emitted_once_per_key(ledger: Ledger) -> None:
    first, created = ledger.emit_trigger(model="m", cause="drift", dedup_key="k", reason="temp")
    again, created_again = ledger.emit_trigger(model="m", cause="drift", dedup_key="k", reason="?")
    assert (created, created_again) == (True, False)
    assert again == first
    assert ledger.open_triggers("m") == [first]


def test_two_models_may_use_the_same_key(ledger: Ledger) -> None:
    ids = {
        ledger.emit_trigger(model=model, cause="drift", dedup_key="k", reason="r")[0].id
        for model in ("a", "b")
    }
    assert len(ids) == 2


def test_a_trigger_emitted_by_many_at_once_is_new_to_one(ledger: Ledger) -> None:
    def emitted(_: int) -> bool:
        return ledger.emit_trigger(model="m", cause="drift", dedup_key="k", reason="r")[1]

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(emitted, range(16))) == 1


def test_a_trigger_is_claimed_by_one_run(ledger: Ledger) -> None:
    emit(ledger, "k")
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda run: ledger.claim_trigger("m", f"run {run}"), range(8)))
    assert sum(claim is not None for claim in claims) == 1
    assert ledger.open_triggers("m") == []


def test_a_run_that_claims_again_gets_its_own_trigger(ledger: Ledger) -> None:
    first, second = emit(ledger, "a"), emit(ledger, "b")
    for _ in range(3):
        claimed = ledger.claim_trigger("m", "run 1")
        assert claimed is not None
        assert claimed.id == first
    other = ledger.claim_trigger("m", "run 2")
    assert other is not None
    assert other.id == second
    assert ledger.claim_trigger("m", "run 3") is None


def test_what_a_run_has_ended_is_not_claimed_by_its_name_again(ledger: Ledger) -> None:
    """A run id used again is another run: not the old reason, and so not the old candidate."""
    first, second = emit(ledger, "a"), emit(ledger, "b")
    ledger.claim_trigger("m", "run 1")
    ledger.finish_trigger(first, TriggerState.PASSED)
    again = ledger.claim_trigger("m", "run 1")
    assert again is not None
    assert again.id == second
    assert [(one.run, one.trigger.id) for one in ledger.claims("m")] == [("run 1", second)]


def own(ledger: Ledger, run: str, request: str = "{}", reason: str = "mine") -> Any:
    with ledger.transaction() as connection:
        return claims.claim_own(connection, "m", run, Request(Cause.ON_DEMAND, reason, request))


def test_of_equal_requests_in_flight_the_first_trains(ledger: Ledger) -> None:
    first = own(ledger, "run 1")
    for run in ("run 2", "run 3"):
        assert own(ledger, run) == claims.Claim(first, "run 1")
    assert own(ledger, "run 4", request="another") != first
    assert own(ledger, "run 1") == first  # tried again
    ledger.finish_trigger(first.id, TriggerState.PASSED)
    again = own(ledger, "run 2")  # tried again: what it asked for has been trained
    assert isinstance(again, claims.Claim)
    assert again.trigger.id == first.id
    assert isinstance(own(ledger, "run 5"), Trigger)


def test_equal_requests_at_once_are_one_training(ledger: Ledger) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: own(ledger, f"run {number}"), range(8)))
    assert sum(isinstance(one, Trigger) for one in found) == 1


def test_a_persons_run_leaves_the_drifts_reason_to_its_own_run(ledger: Ledger) -> None:
    waiting = emit(ledger, "night")
    assert own(ledger, "run 1").reason == "mine"
    assert [one.id for one in ledger.open_triggers("m")] == [waiting]


@pytest.mark.parametrize("outcome", [TriggerState.FAILED, TriggerState.LOST])
def test_a_cleared_run_takes_up_what_it_left_undone(ledger: Ledger, outcome: TriggerState) -> None:
    first = own(ledger, "run 1")
    ledger.finish_trigger(first.id, outcome)
    with ledger.transaction() as connection:
        claims.let_go(connection, "m", "run 1", cleared=True)
    assert own(ledger, "run 1") == first
    assert [one.trigger for one in ledger.claims("m")] == [first]


@pytest.mark.parametrize("outcome", [None, *ENDS])
def test_a_run_id_used_again_is_another_run(ledger: Ledger, outcome: TriggerState | None) -> None:
    first = own(ledger, "run 1", reason="the old one")
    if outcome is not None:
        ledger.finish_trigger(first.id, outcome)
    with ledger.transaction() as connection:
        claims.let_go(connection, "m", "run 1", cleared=False)
    second = own(ledger, "run 1", reason="the new one")
    assert (second.reason, second.id != first.id) == ("the new one", True)
    assert [one.trigger for one in ledger.claims("m")] == [second]


def test_a_finished_trigger_is_never_claimed(ledger: Ledger) -> None:
    ledger.finish_trigger(emit(ledger, "k"), TriggerState.REFUSED)
    assert ledger.claim_trigger("m", "run 1") is None


def test_a_run_that_died_gives_its_trigger_back_as_failed(ledger: Ledger) -> None:
    trigger = emit(ledger, "k")
    ledger.claim_trigger("m", "run 1")
    assert ledger.finish_claimed("m", "run 2", "failed") is None
    found = ledger.finish_claimed("m", "run 1", "failed")
    assert found is not None
    assert found.id == trigger
    assert ledger.finish_claimed("m", "run 1", "failed") is None
    assert _states(ledger) == ["failed"]
    # Repaired, it may end well; what ended well stays so.
    ledger.finish_trigger(trigger, TriggerState.PASSED)
    ledger.finish_trigger(trigger, "failed")
    assert _states(ledger) == ["passed"]


def test_a_decision_that_ends_a_trigger_is_written_with_its_end(ledger: Ledger) -> None:
    ends = (emit(ledger, "k"), TriggerState.REFUSED)
    decision = {"entity": "m", "topic": Topic.GATE, "action": Action.REFUSED, "reason": "r"}
    ledger.record_decision(**decision, ends=ends)
    assert _states(ledger) == ["refused"]
    assert len(ledger.decisions()) == 1


def test_neither_is_written_without_the_other(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = (emit(ledger, "k"), TriggerState.REFUSED)
    decision = {"entity": "m", "topic": Topic.GATE, "action": Action.REFUSED, "reason": "r"}
    monkeypatch.setattr(rows, "record", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ledger.record_decision(**decision, ends=ends)
    assert _states(ledger) == ["waiting"]


def test_an_unknown_trigger_cannot_be_finished(ledger: Ledger) -> None:
    with pytest.raises(RequestError, match="no such trigger"):
        ledger.finish_trigger("0" * 16, TriggerState.PASSED)


def test_recent_triggers_are_those_since_a_moment(ledger: Ledger) -> None:
    emit(ledger, "k")
    now = datetime.now(UTC)
    assert len(ledger.recent_triggers("m", now - timedelta(minutes=1))) == 1
    assert ledger.recent_triggers("m", now + timedelta(minutes=1)) == []


def test_the_same_decision_twice_is_one_row_and_the_first_stays(ledger: Ledger) -> None:
    first = ledger.record_decision(
        entity="m",
        topic=Topic.GATE,
        action=Action.PASSED,
        reason="better",
        figures={"auc": 0.7},
        id="d1",
    )
    again = ledger.record_decision(
        entity="m", topic=Topic.GATE, action=Action.REFUSED, reason="?", id="d1"
    )
    assert again == first
    assert ledger.decisions() == [first]


def test_decisions_come_newest_first_by_entity_and_topic(ledger: Ledger) -> None:
    for number in range(4):
        ledger.record_decision(
            entity="ab"[number % 2], topic=Topic.GATE, action=Action.PASSED, reason=str(number)
        )
    ledger.record_decision(
        entity="a", topic=Topic.APPROVAL, action=Action.APPROVE, reason="yes", actor="ann"
    )
    assert [d.reason for d in ledger.decisions()] == ["yes", "3", "2", "1", "0"]
    assert [d.reason for d in ledger.decisions("a")] == ["yes", "2", "0"]
    assert [d.actor for d in ledger.decisions("a", Topic.APPROVAL)] == ["ann"]
    assert [d.reason for d in ledger.decisions(limit=2)] == ["yes", "3"]


def test_a_figure_that_is_not_a_number_is_none(ledger: Ledger) -> None:
    figures = {"auc": math.nan, "loss": math.inf, "rows": 3, "who": "me", "none": None}
    kept = ledger.record_decision(
        entity="m", topic=Topic.GATE, action=Action.REFUSED, reason="r", figures=figures
    ).figures
    assert kept == {"auc": None, "loss": None, "rows": 3, "who": "me", "none": None}


def test_times_come_back_in_utc(ledger: Ledger) -> None:
    ledger.record_decision(entity="m", topic=Topic.GATE, action=Action.PASSED, reason="r")
    assert ledger.decisions()[0].at.utcoffset() == timedelta(0)


def test_deployments_form_a_gapless_history(ledger: Ledger, artifact: ArtifactRef) -> None:
    assert ledger.current_deployment("m") is None
    for version, kind in ((1, "promote"), (2, "promote"), (1, "rollback")):
        fence = ledger.begin_attempt(KEY)
        ledger.record_deployment(
            fence, model="m", version=version, artifact=artifact, kind=kind, reason="r"
        )
    history = [(d.sequence, d.version, d.previous) for d in ledger.deployments("m")]
    assert history == [(3, 1, 2), (2, 2, 1), (1, 1, None)]
    assert ledger.current_deployment("m") == ledger.deployments("m")[0]


def test_who_serves_of_every_model_is_one_answer(ledger: Ledger, artifact: ArtifactRef) -> None:
    assert ledger.serving() == {}
    for model, version in (("a", 1), ("b", 7), ("a", 2)):
        fence = ledger.begin_attempt(f"promote:{model}")
        ledger.record_deployment(
            fence,
            model=model,
            version=version,
            artifact=artifact,
            kind=DeploymentKind.PROMOTE,
            reason="r",
        )
    assert {name: one.champion for name, one in ledger.serving().items()} == {
        name: ledger.current_deployment(name) for name in ("a", "b")
    }


def test_a_retired_model_has_no_deployment_but_its_history_goes_on(
    ledger: Ledger, artifact: ArtifactRef
) -> None:
    for version, kind in ((1, "promote"), (1, DeploymentKind.RETIRE), (2, "promote")):
        fence = ledger.begin_attempt(KEY)
        ledger.record_deployment(
            fence, model="m", version=version, artifact=artifact, kind=kind, reason="r"
        )
        current = ledger.current_deployment("m")
        assert (current is None) == (kind is DeploymentKind.RETIRE)
        found = ledger.serving()["m"]
        assert (found.proven and found.proven.kind, found.champion) == (kind, current)
    assert [d.sequence for d in ledger.deployments("m")] == [3, 2, 1]


def test_the_ledger_knows_every_name_that_anything_was_put_down_about(
    ledger: Ledger, artifact: ArtifactRef
) -> None:
    ledger.record_decision(
        entity="flights", topic=Topic.VALIDATION, action=Action.REFUSED, reason="r"
    )
    fence = ledger.begin_attempt(KEY)
    ledger.record_deployment(
        fence, model="gone", version=1, artifact=artifact, kind=DeploymentKind.PROMOTE, reason="r"
    )
    ledger.emit_trigger(model="m", cause=Cause.DRIFT, dedup_key="d", reason="r")
    assert ledger.names() == ("flights", "gone", "m")


def test_a_superseded_attempt_deploys_nothing(ledger: Ledger, artifact: ArtifactRef) -> None:
    old = ledger.begin_attempt(KEY)
    ledger.begin_attempt(KEY)
    with pytest.raises(SupersededError, match="superseded by attempt 2"):
        ledger.record_deployment(
            old, model="m", version=1, artifact=artifact, kind=DeploymentKind.PROMOTE, reason="r"
        )
    assert ledger.deployments("m") == []


def test_without_the_check_a_superseded_attempt_would_deploy(
    ledger: Ledger, artifact: ArtifactRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above."""
    old = ledger.begin_attempt(KEY)
    ledger.begin_attempt(KEY)
    monkeypatch.setattr(attempts, "check", lambda *_, **__: None)
    ledger.record_deployment(
        old, model="m", version=1, artifact=artifact, kind=DeploymentKind.PROMOTE, reason="r"
    )
    assert len(ledger.deployments("m")) == 1


def test_a_request_repeated_after_a_rollback_does_not_deploy_again(
    ledger: Ledger, artifact: ArtifactRef
) -> None:
    def deploy(version: int, request: str, kind: str = "promote") -> int:
        fence = ledger.begin_attempt(KEY)
        return ledger.record_deployment(
            fence, model="m", version=version, artifact=artifact, kind=kind, reason="r",
            request=request,
        ).sequence  # fmt: skip

    deploy(1, "run 1")
    assert deploy(2, "run 2") == 2
    deploy(1, "by hand", kind="rollback")
    assert deploy(2, "run 2") == 2
    current = ledger.current_deployment("m")
    assert current is not None
    assert current.version == 1
    asked = ledger.requested_deployment("m", "run 2")
    assert asked is not None
    assert asked.sequence == 2
    assert ledger.requested_deployment("m", "run 9") is None


def test_a_row_that_a_hand_put_there_answers_no_request(
    ledger: Ledger, artifact: ArtifactRef
) -> None:
    def deploy(version: int, request: str) -> int:
        fence = ledger.begin_attempt(KEY)
        return ledger.record_deployment(
            fence, model="m", version=version, artifact=artifact, kind="promote", reason="r",
            request=request,
        ).sequence  # fmt: skip

    assert deploy(1, "run 1") == 1
    with ledger._database.writing() as connection:
        columns = "model, version, previous, artifact_uri, artifact_digest, kind, reason, at, fence_key, fence_token, actor"
        connection.exec_driver_sql(
            f"INSERT INTO airloop_deployments (sequence, request, {columns})"
            f" SELECT 2, 'run 2', {columns} FROM airloop_deployments"
        )
    assert ledger.requested_deployment("m", "run 2") is None
    with pytest.raises(
        GateError, match=r"bears this delivery's request; got 'deployment 2'; in model m"
    ):
        deploy(2, "run 2")
    assert deploy(2, "run 3") == 3
    assert ledger.requested_deployment("m", "run 3") is not None


def test_promoters_under_different_keys_never_share_a_sequence(
    ledger: Ledger, artifact: ArtifactRef
) -> None:
    start = threading.Barrier(4)

    def promote(version: int) -> None:
        fence = ledger.begin_attempt(f"{KEY}:{version}")
        start.wait()
        ledger.record_deployment(
            fence,
            model="m",
            version=version,
            artifact=artifact,
            kind=DeploymentKind.PROMOTE,
            reason="r",
        )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(promote, range(1, 5)))
    history = ledger.deployments("m")[::-1]
    assert [d.sequence for d in history] == [1, 2, 3, 4]
    assert [d.previous for d in history[1:]] == [d.version for d in history[:-1]]


def test_a_deployment_keeps_the_fence_it_was_made_under(
    ledger: Ledger, artifact: ArtifactRef
) -> None:
    fence = ledger.begin_attempt(KEY)
    ledger.record_deployment(
        fence, model="m", version=1, artifact=artifact, kind=DeploymentKind.PROMOTE, reason="r"
    )
    with ledger.transaction() as connection:
        row = connection.execute(select(deployments)).one()
    assert (row.fence_key, row.fence_token) == (KEY, 1)


def test_a_transaction_that_fails_leaves_nothing(ledger: Ledger) -> None:
    def fail() -> None:
        with ledger.transaction() as connection:
            attempts.begin(connection, "k")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert ledger.begin_attempt("k").token == 1


def test_the_ledger_of_the_settings_is_opened(
    tmp_path: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    assert open_ledger(Settings()).decisions() == []


@pytest.mark.parametrize("act", [update, delete])
@pytest.mark.parametrize("table", [decisions, deployments])
def test_history_cannot_be_rewritten(
    ledger: Ledger, artifact: ArtifactRef, act: Any, table: Table
) -> None:
    fence = ledger.begin_attempt(KEY)
    ledger.record_deployment(
        fence, model="m", version=1, artifact=artifact, kind=DeploymentKind.PROMOTE, reason="r"
    )
    ledger.record_decision(entity="m", topic=Topic.GATE, action=Action.PASSED, reason="r")
    statement = act(table) if act is delete else act(table).values(reason="better")

    def rewrite() -> None:
        with ledger.transaction() as connection:
            connection.execute(statement)

    with pytest.raises(IntegrityError, match="append-only"):
        rewrite()
    assert ledger.deployments("m")[0].reason == ledger.decisions()[0].reason == "r"


def test_a_deployment_and_its_decision_are_of_who_delivered(
    ledger: Ledger, artifact: ArtifactRef
) -> None:
    ledger.record_deployment(
        ledger.begin_attempt("promote:m"),
        model="m",
        version=1,
        artifact=artifact,
        kind=DeploymentKind.PROMOTE,
        reason="r",
        action=Action.PROMOTED,
        actor="ann",
    )
    assert [one.actor for one in ledger.deployments("m")] == ["ann"]
    assert [one.actor for one in ledger.decisions("m")] == ["ann"]
