"""The same ledger on a real Postgres: by its URL alone."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from typing import Any

import pytest
from sqlalchemy import Table, delete, event, make_url, update
from sqlalchemy.exc import IntegrityError

from airloop.accounting.figures import Usage
from airloop.contracts import ArtifactRef, DriftReport
from airloop.errors import SupersededError, UnreachableError
from airloop.ledger import Ledger, attempts, schema, verdicts
from airloop.ledger.tables import decisions, deployments, metadata
from airloop.monitoring.decision import answer
from airloop.policy import retraining
from airloop.specs.sections.watching import RetrainingSpec
from airloop.vocabulary import Action, Topic, Triage, TriggerState
from tests.support.servers import PostgresServer
from tests.support.verdicts import MODEL, drift_is_refused, judged

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
ARTIFACT = ArtifactRef(uri="runs:/1/model", digest="sha256:" + "0" * 64)
KEY = "promote:flight_delay"


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """An empty database."""
    return postgres.create(f"ledger_{time.monotonic_ns()}")


@pytest.fixture
def ledger(url: str) -> Ledger:
    return Ledger(url)


def _first_start(url: str, start: Barrier) -> None:
    # Between looking for the tables and creating them, so that the others look meanwhile.
    event.listen(metadata, "before_create", lambda *_, **__: time.sleep(0.2))
    start.wait()
    Ledger(url).begin_attempt("k")


def _start_together(url: str, starts: int = 6) -> int:
    """Several processes' very first start at once; returns how many failed."""
    context = multiprocessing.get_context("fork")
    start = context.Barrier(starts)
    children = [context.Process(target=_first_start, args=(url, start)) for _ in range(starts)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    return sum(child.exitcode != 0 for child in children)


def test_parallel_first_starts_do_not_race(url: str) -> None:
    assert _start_together(url) == 0
    assert Ledger(url).begin_attempt("k").token == 7


def test_without_the_lock_they_would(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the test above."""
    monkeypatch.setattr(schema, "lock", lambda _: None)
    assert _start_together(url) > 0


def password(url: str) -> str:
    return str(make_url(url).password)


@pytest.mark.parametrize(
    "change",
    [
        ("ledger_", "nowhere_"),
        ("airloop:", "airloop:wrong-pw"),
        ("@127.0.0.1", "@no-such-host.invalid"),
    ],
)
def test_a_wrong_url_is_one_clear_error_without_the_password(
    url: str, change: tuple[str, str]
) -> None:
    with pytest.raises(UnreachableError, match="does not answer") as caught:
        Ledger(url.replace(*change))
    assert password(url) not in str(caught.value)
    assert "wrong-pw" not in str(caught.value)


def test_attempts_begun_at_once_get_different_tokens(ledger: Ledger) -> None:
    with ThreadPoolExecutor(8) as pool:
        fences = list(pool.map(lambda _: ledger.begin_attempt("k"), range(24)))
    assert sorted(fence.token for fence in fences) == list(range(1, 25))
    with pytest.raises(SupersededError, match="superseded by attempt 24"):
        ledger.check_fence(min(fences, key=lambda fence: fence.token))


def test_an_attempt_cannot_begin_between_the_check_and_the_deployment(ledger: Ledger) -> None:
    """The fence is checked under a lock which a newer attempt waits for."""
    old = ledger.begin_attempt(KEY)
    with ThreadPoolExecutor(1) as pool:
        with ledger.transaction() as connection:
            attempts.check(connection, old, lock=True)
            newer = pool.submit(ledger.begin_attempt, KEY)
            time.sleep(0.3)
            assert not newer.done()
        assert newer.result(timeout=10).token == 2


def test_without_the_lock_it_could(ledger: Ledger) -> None:
    """The control of the test above."""
    old = ledger.begin_attempt(KEY)
    with ThreadPoolExecutor(1) as pool, ledger.transaction() as connection:
        attempts.check(connection, old, lock=False)
        assert pool.submit(ledger.begin_attempt, KEY).result(timeout=10).token == 2


def test_claims_at_once_give_each_trigger_to_one_run(ledger: Ledger) -> None:
    for number in range(4):
        ledger.emit_trigger(model="m", cause="drift", dedup_key=str(number), reason="r")
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda run: ledger.claim_trigger("m", f"run {run}"), range(8)))
    given = [claim.id for claim in claims if claim is not None]
    assert len(given) == len(set(given)) == 4


def test_attempts_of_one_run_that_claim_at_once_share_one_trigger(ledger: Ledger) -> None:
    for number in range(4):
        ledger.emit_trigger(model="m", cause="drift", dedup_key=str(number), reason="r")
    with ThreadPoolExecutor(6) as pool:
        claims = list(pool.map(lambda _: ledger.claim_trigger("m", "run 1"), range(6)))
    assert len({claim and claim.id for claim in claims}) == 1
    assert len(ledger.open_triggers("m")) == 3


def test_a_trigger_emitted_by_many_at_once_is_new_to_one(ledger: Ledger) -> None:
    def emitted(_: int) -> bool:
        return ledger.emit_trigger(model="m", cause="drift", dedup_key="k", reason="r")[1]

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(emitted, range(16))) == 1


def test_promoters_under_different_keys_never_share_a_sequence(ledger: Ledger) -> None:
    def promote(version: int) -> bool:
        fence = ledger.begin_attempt(f"{KEY}:{version}")
        try:
            ledger.record_deployment(
                fence, model="m", version=version, artifact=ARTIFACT, kind="promote", reason="r"
            )
        except SupersededError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        won = sum(pool.map(promote, range(1, 7)))
    history = ledger.deployments("m")[::-1]
    assert [d.sequence for d in history] == list(range(1, won + 1))
    assert [d.previous for d in history[1:]] == [d.version for d in history[:-1]]


def _night(partition: str) -> DriftReport:
    return DriftReport(
        model="m",
        partition=partition,
        reference_rows=1,
        current_rows=1,
        features=(),
        performance={"roc_auc": float("nan")},
        triage=Triage.DRIFT,
        reason="temp has drifted",
    )


def test_nights_judged_at_once_do_not_overspend(ledger: Ledger) -> None:
    nights = [_night(f"2013-07-{day:02}") for day in (1, 2, 3, 4, 1, 2, 3, 4)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: answer(ledger, RetrainingSpec(), n, now=NOW), nights))
    assert len(ledger.open_triggers("m")) == 1
    assert len(ledger.decisions()) == 4
    assert sum(decision.action == Action.RETRAIN for decision, _ in answers) == 2


def test_what_became_of_earlier_nights_is_asked_as_on_sqlite(ledger: Ledger) -> None:
    drift_is_refused(ledger, 32)
    judged(ledger, "2013-03-01", TriggerState.REFUSED, gate=Action.UNDECIDED)
    judged(ledger, "2013-03-08", TriggerState.REFUSED, gate=Action.UNDECIDED, names=False)
    with ledger.transaction() as connection:
        found = verdicts.before(connection, MODEL, "2013-07-14", retraining.AUTOMATIC, 200)
    assert [passed for _, passed in found] == [False, True] * 16
    assert found[0][0]["partition"] == "2011-01-02"


def test_without_deciding_one_at_a_time_they_would(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above."""
    monkeypatch.setattr(attempts, "alone", lambda *_: None)
    held_back = retraining.held_back

    def slow(*arguments: object) -> str | None:
        found = held_back(*arguments)  # type: ignore[arg-type]
        time.sleep(0.5)
        return found

    monkeypatch.setattr(retraining, "held_back", slow)
    nights = [_night(f"2013-07-{day:02}") for day in range(1, 5)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: answer(ledger, RetrainingSpec(), n, now=NOW), nights))
    assert len(ledger.open_triggers("m")) > 1


@pytest.mark.parametrize("act", [update, delete])
@pytest.mark.parametrize("table", [decisions, deployments])
def test_history_cannot_be_rewritten(ledger: Ledger, act: Any, table: Table) -> None:
    fence = ledger.begin_attempt(KEY)
    ledger.record_deployment(
        fence, model="m", version=1, artifact=ARTIFACT, kind="promote", reason="r"
    )
    ledger.record_decision(entity="m", topic=Topic.GATE, action=Action.PASSED, reason="r")
    statement = act(table) if act is delete else act(table).values(reason="better")

    def rewrite() -> None:
        with ledger.transaction() as connection:
            connection.execute(statement)

    with pytest.raises(IntegrityError, match="append-only"):
        rewrite()
    assert ledger.deployments("m")[0].reason == ledger.decisions()[0].reason == "r"


def test_usage_is_replaced_and_assigned(ledger: Ledger) -> None:
    row = Usage(key="train:l:1", token=1, step="train", entity="l", peak_host_bytes=5 << 40, at=NOW)
    for seconds in (1.0, 2.5):
        ledger.record_usage(row.model_copy(update={"cpu_seconds": seconds}))
    ledger.assign_usage("train:l:1", prefix="trials:s_:", run_id="r")
    ledger.assign_usage("register:l:r", run_id="r", version=3)
    (found,) = ledger.usage(run_id="r")
    expected = {"cpu_seconds": 2.5, "run_id": "r", "version": 3}
    assert found == row.model_copy(update=expected)
