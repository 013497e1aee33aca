"""Chapter 1, history: two months by an Airflow backfill, with a broken day and a dirty one among them."""

from __future__ import annotations

from typing import Any

from airloop.demo.stage import DATASET, PATIENCE, DemoStage, dag_id, expect
from airloop.demo.upstream import lose_column, spoil_rows
from airloop.devstack.airflow import states, wait_for

FIRST, LAST = "2013-01-01", "2013-02-28"
DAYS = 59
BROKEN_DAY, LOST_COLUMN = "2013-01-16", "distance"
DIRTY_DAY, DIRTY_FRACTION = "2013-02-12", 0.02


def history(stage: DemoStage) -> str:
    """January and February are ingested day by day; one day is refused, rows of another are put aside."""
    lose_column(stage.upstream, BROKEN_DAY, LOST_COLUMN)
    spoilt = spoil_rows(stage.upstream, DIRTY_DAY, DIRTY_FRACTION)
    runs = _backfill(stage)
    failed = [run for run in runs if run["state"] == "failed"]
    expect(len(failed) == 1, "exactly one day is refused", value=states(runs))
    message = stage.airflow.failure(dag_id("ingest"), failed[0]["dag_run_id"])
    expect(LOST_COLUMN in message, "the refusal names the missing column", value=message)
    _look_at_lake(stage, spoilt)
    report = _report(stage, runs, DIRTY_DAY)
    expect(report["quarantined"] == spoilt, "the report counts the quarantined rows", value=report)
    return (
        f"{DAYS - 1} of {DAYS} days in the lake; {BROKEN_DAY} refused for its missing column "
        f"{LOST_COLUMN!r}; {DIRTY_DAY}: {spoilt} of {report['rows']} rows in quarantine"
    )


def _backfill(stage: DemoStage) -> list[dict[str, Any]]:
    """Ask Airflow for the backfill and wait for its runs."""
    dag = dag_id("ingest")
    body = {
        "dag_id": dag,
        "from_date": f"{FIRST}T00:00:00Z",
        "to_date": f"{LAST}T23:59:59Z",
        "max_active_runs": 4,
        "reprocess_behavior": "none",
    }
    # On a busy machine SQLite may be locked: then Airflow takes back what it made of a backfill, to be asked again.
    number = stage.airflow.call("POST", "/backfills", repeat=True, json=body)["id"]

    def ended() -> bool | None:
        counts = states(_runs(stage))
        done = counts.get("success", 0) + counts.get("failed", 0)
        stage.say(f"backfill: {done} of {DAYS} days")
        return done >= DAYS or None

    wait_for(ended, f"backfill {number} did not end", patience=PATIENCE, every=2.0)
    return _runs(stage)


def _runs(stage: DemoStage) -> list[dict[str, Any]]:
    return stage.airflow.runs(dag_id("ingest"), run_type="backfill")


def _look_at_lake(stage: DemoStage, spoilt: int) -> None:
    """Nothing of the broken day is visible; the dirty rows are where they belong."""
    from airloop.data.lake.lake import Lake

    lake = Lake(stage.settings)
    present = set(lake.partitions(DATASET))
    expect(BROKEN_DAY not in present, "nothing of the refused day is visible", value=BROKEN_DAY)
    expect(len(present) >= DAYS - 1, "every other day is there", value=len(present))
    put_aside = lake.snapshot(f"{DATASET}__quarantine", [DIRTY_DAY])
    expect(put_aside.rows == spoilt, "the impossible rows are in quarantine", value=put_aside.rows)
    reasons = lake.read(put_aside, ["_reasons"])["_reasons"]
    expect(reasons.astype(str).str.len().min() > 0, "each of them has its reasons")


def _report(stage: DemoStage, runs: list[dict[str, Any]], day: str) -> dict[str, Any]:
    """The validation report that a day's run handed on."""
    dag = dag_id("ingest")
    for run in runs:
        if run["partition_key"] == day or day in run["dag_run_id"]:
            found: dict[str, Any] = stage.airflow.xcom(dag, run["dag_run_id"], "ingest")
            return found
    expect(False, "each day of the backfill has a run", value=day)
    return {}
