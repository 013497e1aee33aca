"""Chapter 3, traffic: March's flights are asked for, one departure bank a request; labels come later."""

from __future__ import annotations

from datetime import date, timedelta

from airloop.demo.rows import Row, partition_rows
from airloop.demo.stage import MODEL, Stage, expect
from airloop.demo.traffic import batches, send

MONTH = ("2013-03-01", "2013-03-31")


def march(stage: Stage) -> str:
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


def requests_of(day: str) -> list[list[Row]]:
    """One day's requests."""
    return list(batches(partition_rows(MODEL, day)))


def days(first: str, last: str) -> list[str]:
    """The days from first to last, both included."""
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return [(start + timedelta(days=step)).isoformat() for step in range((end - start).days + 1)]
