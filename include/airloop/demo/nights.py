"""Chapters 4, 5 and 6: a quiet night, a shifted one, a broken one."""

from __future__ import annotations

from typing import Any

from airloop.contracts import DriftReport
from airloop.demo.serving import SUMMER_NIGHT, await_summer, days, requests_of
from airloop.demo.stage import MODEL, DemoStage, dag_id, expect
from airloop.demo.traffic import BackgroundLoad, send
from airloop.demo.upstream import lose_weather
from airloop.vocabulary import Action, Topic, Triage

QUIET_NIGHT = "2013-03-07"
SHIFTED_NIGHT = SUMMER_NIGHT
#: The nights whose predictions the shifted night judges by their late labels.
SHIFTED_WEEK = ("2013-07-01", SHIFTED_NIGHT)
BROKEN_NIGHT = "2013-07-08"


def quiet_night(stage: DemoStage) -> str:
    """Monitoring finds nothing that matters; the decision not to retrain is on record with its figures."""
    report, action = _look_at(stage, QUIET_NIGHT)
    expect(report.triage is Triage.NOTHING, "the night is quiet", value=report.reason)
    expect(action == Action.WAIT, "the decision is to wait", value=action)
    decision = stage.last_decision(Topic.RETRAINING)
    expect(decision.figures, "the decision has its figures")
    expect(not stage.ledger.open_triggers(MODEL), "no trigger is open")
    return f"{QUIET_NIGHT}: {decision.reason}"


def shifted_night(stage: DemoStage) -> str:
    """Drift is found and said; training, gates, promotion and swap follow by themselves, under traffic."""
    await_summer(stage)
    traffic = [batch for day in days(*SHIFTED_WEEK) for batch in requests_of(day)]
    stage.say(f"sending {len(traffic):,} requests")
    send(stage.settings, MODEL, traffic, stage.tally)
    trainings, deliveries = set(stage.run_ids("train")), set(stage.run_ids("deploy"))
    before = dict(stage.tally.versions)
    with BackgroundLoad(stage.settings, MODEL, traffic, stage.tally):
        report, action = _look_at(stage, SHIFTED_NIGHT)
        expect(report.triage is Triage.DRIFT, "the night is shifted", value=report.reason)
        expect(report.kinds, "the kind of drift is said", value=report.reason)
        expect(action == Action.RETRAIN, "the decision is to retrain", value=action)
        stage.woken("train", trainings)
        stage.woken("deploy", deliveries)
        stage.champion_after = stage.deployed()
        stage.serves(stage.champion_after)
        # A moment of traffic on the new version.
        send(stage.settings, MODEL, traffic[:100], stage.tally)
    expect(
        stage.champion_after != stage.champion_before,
        "the challenger takes over",
        value=stage.champion_after,
    )
    answered = {v: n - before.get(v, 0) for v, n in stage.tally.versions.items()}
    expect(all(answered.values()), "both versions answered during the swap", value=answered)
    expect(stage.tally.failed == 0, "no request fails", value=stage.tally.reasons)
    gate = stage.last_decision(Topic.GATE)
    kinds = " and ".join(report.kinds)
    return (
        f"{SHIFTED_NIGHT}: {kinds} drift; version {stage.champion_before} → {stage.champion_after} under "
        f"{sum(answered.values()):,} requests, none failed; {gate.reason}"
    )


def broken_night(stage: DemoStage) -> str:
    """Weather is all missing: an incident, an alert, no training."""
    lose_weather(stage.upstream, BROKEN_NIGHT)
    trainings = set(stage.run_ids("train"))
    stage.run_dag("ingest", {"partition": BROKEN_NIGHT})
    report, action = _look_at(stage, BROKEN_NIGHT)
    expect(report.triage is Triage.INCIDENT, "it is a data incident", value=report.reason)
    expect(action == Action.ALERT, "the decision is an alert", value=action)
    expect(not stage.ledger.open_triggers(MODEL), "no trigger is open")
    expect(set(stage.run_ids("train")) == trainings, "nothing is trained")
    return f"{BROKEN_NIGHT}: {stage.last_decision(Topic.RETRAINING).reason}"


def _look_at(stage: DemoStage, night: str) -> tuple[DriftReport, str]:
    """Run the monitors for a night; what they found and what was decided."""
    run = stage.run_dag("monitor", {"partition": night})
    result: dict[str, Any] = stage.airflow.xcom(dag_id("monitor"), run["dag_run_id"], "monitor")
    return DriftReport.model_validate(result["report"]), result["decision"]["action"]
