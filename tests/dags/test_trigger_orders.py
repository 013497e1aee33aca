"""Airflow's events dropped, doubled and reordered; runs tried twice, killed, ended without a word: each reason trains once.

Each order is drawn from its number: nights, people, ticks and new events come in any order, and whatever may be lost or come twice
is. The ledger, the policy and the operators are Airloop's own; Airflow is a table of runs and a bag of events. `make trigger-orders`
tries 1,000 of them.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from sqlalchemy import event, select

from airloop.contracts import Decision, DriftReport
from airloop.ledger import Ledger, attempts, triggers
from airloop.ledger import claims as ledger_claims
from airloop.ledger.life import FINAL, REPAIRABLE
from airloop.ledger.tables import triggers as table
from airloop.monitoring.decision import answer
from airloop.specs.sections.watching import RetrainingSpec
from airloop.vocabulary import Triage, TriggerState
from airloop_operators import base, claims, runs, waking
from airloop_operators.monitoring import MonitorModelOperator
from airloop_operators.training import ClaimTriggerOperator

ORDERS = int(os.environ.get("AIRLOOP_TRIGGER_ORDERS", "25"))
MODEL, DAG = "flight_delay", "train_flight_delay"
SPEC = RetrainingSpec(policy="on_drift", cooldown_days=0, monthly_budget=31)
FIRST = date(2013, 3, 1)
STEPS = 60
ENDS = FINAL | REPAIRABLE


class Events(dict[Any, Any]):
    """What a task says to ``outlet_events``, put into the bag."""

    def __init__(self, bag: list[str]) -> None:
        self.bag = bag

    def __missing__(self, key: Any) -> Any:
        return SimpleNamespace(add=lambda asset, extra: self.bag.append(extra["trigger_id"]))


class Run:
    """One run of the training DAG, as Airflow knows it."""

    def __init__(self, number: int, kind: str, conf: dict[str, Any], day: date | None) -> None:
        self.id, self.kind, self.conf, self.day = f"{kind}__{number}", kind, conf, day
        self.tries, self.cleared, self.trigger = 0, 0, ""

    def context(self) -> dict[str, Any]:
        self.tries += 1
        dag_run = SimpleNamespace(
            dag_id=DAG,
            run_id=self.id,
            run_type=self.kind,
            conf=self.conf,
            clear_number=self.cleared,
        )
        found: dict[str, Any] = {"dag_run": dag_run, "ti": SimpleNamespace(try_number=self.tries)}
        if self.day is not None:
            end = datetime.combine(self.day, datetime.min.time(), UTC)
            found |= {"data_interval_start": end - timedelta(days=1), "data_interval_end": end}
        return found


class World:
    """A ledger, Airflow's runs and events, and what was trained."""

    def __init__(self, number: int, ledger: Ledger) -> None:
        self.random, self.ledger = Random(number), ledger
        self.bag: list[str] = []
        self.living: list[Run] = []
        self.failed: list[Run] = []
        self.made = 0
        self.night, self.tick = 0, 0
        self.trained: dict[str, set[str]] = defaultdict(set)
        self.lossy = True

    # What Airflow does.

    def start(self, kind: str, conf: dict[str, Any] | None = None, day: date | None = None) -> None:
        self.made += 1
        self.living.append(Run(self.made, kind, conf or {}, day))

    def lives(self, dag_id: str, run_id: str) -> bool | None:
        """What it says of a run; at times nothing."""
        if self.lossy and self.chance(0.1):
            return None
        return any(run.id == run_id for run in self.living)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def an_event_arrives(self) -> None:
        """Any of the bag; it is lost, wakes a run, or two."""
        if not self.bag:
            return
        self.bag.pop(self.random.randrange(len(self.bag)))
        if self.lossy and self.chance(0.25):
            return
        for _ in range(1 + (self.lossy and self.chance(0.25))):
            self.start("asset_triggered")

    # What asks for a training.

    def a_night_drifts(self) -> None:
        """A new one, or one that was judged before; its task may be killed before it says so."""
        new = self.night == 0 or self.chance(0.7)
        self.night += new
        number = self.night if new else self.random.randint(1, self.night)
        report = DriftReport(
            model=MODEL, partition=str(FIRST + timedelta(days=number)), triage=Triage.DRIFT,
            reference_rows=1, current_rows=1, features=(), reason="drift",
        )  # fmt: skip
        decision, _ = answer(self.ledger, SPEC, report, now=datetime.now(UTC))
        if not (self.lossy and self.chance(0.2)):
            self.tell(decision)

    def tell(self, decision: Decision) -> None:
        task = MonitorModelOperator(task_id="monitor", model=MODEL)
        task._announce({"outlet_events": Events(self.bag)}, decision)

    def a_person_asks(self) -> None:
        until = str(FIRST + timedelta(days=self.random.randint(0, 2)))
        self.start("manual", {"until": until})

    def the_schedule_ticks(self) -> None:
        self.tick += 1
        self.start("scheduled", day=FIRST + timedelta(days=self.tick))

    def the_loop_looks_after_itself(self) -> None:
        task = waking.WakeTrainingsOperator(task_id="wake", grace_minutes=0)
        task.execute({"params": {}, "outlet_events": Events(self.bag)})

    # What runs do.

    def a_run_goes_on(self) -> None:
        if not self.living:
            return
        run = self.random.choice(self.living)
        if not run.trigger:
            self.claim(run)
        else:
            self.train(run)

    def claim(self, run: Run) -> None:
        """Tried again where its attempt is killed after the ledger's commit."""
        task = ClaimTriggerOperator(task_id="claim", model=MODEL)
        try:
            found = task.work(run.context())
        except AirflowSkipException:
            self.living.remove(run)
            return
        if not (self.lossy and self.chance(0.25)):
            run.trigger = found["trigger_id"]

    def train(self, run: Run) -> None:
        """Begun, and then killed, failed for good, refused or registered."""
        fence = self.ledger.begin_attempt(f"train:{MODEL}:{run.trigger}")
        with self.ledger.transaction() as connection:
            attempts.check(connection, fence, lock=True)
            triggers.start(connection, run.trigger)
        if self.lossy and self.chance(0.3):
            return  # killed: Airflow tries it again
        self.trained[run.trigger].add(run.id)
        if self.lossy and self.chance(0.15):
            self.fail(run)
            return
        end = TriggerState.REFUSED if self.chance(0.3) else TriggerState.PASSED
        self.ledger.finish_trigger(run.trigger, end)
        self.living.remove(run)

    def fail(self, run: Run) -> None:
        """For good; the callback that says so may be lost."""
        self.living.remove(run)
        self.failed.append(run)
        if not self.chance(0.3):
            runs.end_claim(MODEL, {"dag": SimpleNamespace(dag_id=DAG), "run_id": run.id})

    def somebody_deletes_a_run(self) -> None:
        if self.living:
            self.living.remove(self.random.choice(self.living))

    def somebody_clears_a_run(self) -> None:
        if self.failed:
            run = self.failed.pop(self.random.randrange(len(self.failed)))
            run.cleared, run.trigger = run.cleared + 1, ""
            self.living.append(run)

    def play(self) -> None:
        """Many acts in any order, then all that is left."""
        acts = Counter({
            self.a_night_drifts: 3, self.a_person_asks: 2, self.the_schedule_ticks: 1,
            self.an_event_arrives: 4, self.a_run_goes_on: 10, self.the_loop_looks_after_itself: 1,
            self.somebody_deletes_a_run: 1, self.somebody_clears_a_run: 1,
        })  # fmt: skip
        for act in self.random.choices(list(acts), list(acts.values()), k=STEPS):
            act()
        self.settle()

    def settle(self) -> None:
        """All that is left, with nothing lost any more."""
        self.lossy = False
        for _ in range(200):
            self.the_loop_looks_after_itself()
            while self.bag:
                self.an_event_arrives()
            while self.living:
                self.a_run_goes_on()
            if not self.ledger.open_triggers(MODEL) and not self.ledger.claims(MODEL):
                return
        raise AssertionError("something waits for ever")

    def rows(self) -> list[Any]:
        with self.ledger.transaction() as connection:
            return list(connection.execute(select(table).order_by(table.c.number)))


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch, home: Path, tmp_path: Path) -> Iterator[Any]:
    """Lets a world's ledger and runs be those that the operators see."""
    paused = SimpleNamespace(get_dag=lambda dag_id: SimpleNamespace(is_paused=False))
    monkeypatch.setattr(waking, "RuntimeTaskInstance", paused)

    def world(number: int) -> World:
        ledger = Ledger(f"sqlite:///{tmp_path / f'{number}.db'}")
        event.listen(ledger._database.engine, "connect", hurry)
        made = World(number, ledger)
        for module in (base, waking, runs):
            monkeypatch.setattr(module, "open_ledger", lambda settings: ledger)
        monkeypatch.setattr(claims, "run_lives", made.lives)
        return made

    return world


def hurry(connection: sqlite3.Connection, _record: object) -> None:
    """A simulated month needs no durability."""
    connection.execute("PRAGMA synchronous = OFF")


def test_in_every_order_each_reason_is_trained_once(airflow: Any) -> None:
    seen = Counter[str]()
    for number in range(ORDERS):
        world = airflow(number)
        world.play()
        for row in world.rows():
            state, by = TriggerState(row.state), world.trained[row.id]
            assert state in ENDS, (number, row)
            seen[state] += 1
            if state in FINAL - {TriggerState.MERGED}:
                assert len(by) == 1, (number, row, by)
            else:
                assert len(by) <= 1, (number, row, by)
            if state is TriggerState.MERGED:
                assert not by
                assert row.merged_into in {one.id for one in world.rows()}
        nights = Counter(row.dedup_key for row in world.rows() if row.cause == "drift")
        assert set(nights.values()) <= {1}
    # All ends occur, so that none of them is tested by never being reached.
    if ORDERS >= 25:
        assert set(seen) == ENDS


def test_control_a_claim_that_is_not_kept_trains_twice(
    airflow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the mark in the ledger two events of one reason are two trainings."""
    monkeypatch.setattr(ledger_claims, "_give", lambda _connection, trigger, *_, **__: trigger)
    world = airflow(1)
    world.a_night_drifts()
    for _ in range(2):
        world.start("asset_triggered")
    world.lossy = False
    for run in list(world.living):
        world.claim(run)
    for run in list(world.living):
        with suppress(AirflowSkipException):
            world.train(run)
    assert sorted(map(len, world.trained.values())) == [2]


def test_control_without_the_look_a_lost_event_waits_for_ever(
    airflow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(World, "the_loop_looks_after_itself", lambda world: None)
    world = airflow(1)
    world.lossy = False
    world.a_night_drifts()
    world.bag.clear()
    with pytest.raises(AssertionError, match="waits for ever"):
        world.settle()
