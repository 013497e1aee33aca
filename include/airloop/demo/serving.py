"""Chapters 2 and 3: the first champion serves, and March asks it; meanwhile the months until summer are ingested."""

from __future__ import annotations

from datetime import date, timedelta

from airloop.demo.history import LAST
from airloop.demo.rows import Row, partition_rows
from airloop.demo.stage import MODEL, DemoStage, dag_id, expect
from airloop.demo.traffic import batches, send
from airloop.vocabulary import Topic

MONTH = ("2013-03-01", "2013-03-31")
#: The training window of the shifted night, in ranges that run side by side.
SUMMER = (("2013-05-09", "2013-06-07"), ("2013-06-08", "2013-07-07"))
SUMMER_NIGHT = "2013-07-07"


def champion(stage: DemoStage) -> str:
    """Train by hand, let the candidate's asset wake the delivery."""
    known = set(stage.run_ids("deploy"))
    run = stage.run_dag("train", {"reason": "the first champion", "until": LAST})
    gate = stage.last_decision(Topic.GATE)
    metrics = stage.airflow.xcom(dag_id("train"), run["dag_run_id"], "train")["candidate"][
        "metrics"
    ]
    stage.woken("deploy", known)
    version = stage.deployed()
    stage.serves(version)
    stage.champion_before = version
    _begin_summer(stage)
    auc = metrics.get("roc_auc", float("nan"))
    return f"version {version} serves, ROC AUC {auc:.3f} on its held-out days; {gate.reason}"


def march(stage: DemoStage) -> str:
    """A few thousand requests, each answered by the champion; then the month arrives with its labels."""
    before = stage.tally.requests
    requests = [batch for day in days(*MONTH) for batch in requests_of(day)]
    stage.say(f"sending {len(requests):,} requests")
    send(stage.settings, MODEL, requests, stage.tally)
    sent = stage.tally.requests - before
    rows = sum(len(batch) for batch in requests)
    expect(stage.tally.failed == 0, "no request fails", value=stage.tally.reasons)
    versions = set(stage.tally.versions)
    expect(versions == {stage.champion_before}, "the champion answers", value=versions)
    first, last = MONTH
    stage.run_dag("ingest", {"start": first, "end": last})
    return f"{sent:,} requests for {rows:,} flights of March, none failed; their labels arrived"


def await_summer(stage: DemoStage) -> None:
    """Wait until the months that go by while the champion serves are in the lake."""
    stage.await_("summer")


def requests_of(day: str) -> list[list[Row]]:
    """One day's requests."""
    return list(batches(partition_rows(MODEL, day)))


def days(first: str, last: str) -> list[str]:
    """The days from first to last, both included."""
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return [(start + timedelta(days=step)).isoformat() for step in range((end - start).days + 1)]


def _begin_summer(stage: DemoStage) -> None:
    """Trigger the runs of the months until summer, in the background."""
    runs = [
        stage.airflow.trigger(dag_id("ingest"), {"start": first, "end": last}, note="airloop demo")
        for first, last in SUMMER
    ]

    def wait() -> None:
        for run in runs:
            stage.finish(dag_id("ingest"), run)

    stage.begin("summer", wait)
