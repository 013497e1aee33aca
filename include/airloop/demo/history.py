"""Chapter 1, history: two months, a run each, with a broken day and a dirty one among them."""

from __future__ import annotations

from airloop.columns import REASONS
from airloop.demo.stage import DATASET, DemoStage, dag_id, expect
from airloop.demo.upstream import lose_column, spoil_rows

MONTHS = (("2013-01-01", "2013-01-31"), ("2013-02-01", "2013-02-28"))
LAST = MONTHS[-1][1]
JANUARY, DAYS = 31, 59
BROKEN_DAY, LOST_COLUMN = "2013-01-16", "distance"
DIRTY_DAY, DIRTY_FRACTION = "2013-02-12", 0.02


def history(stage: DemoStage) -> str:
    """January and February are ingested, each by one run; one day is refused, rows of another are put aside."""
    lose_column(stage.upstream, BROKEN_DAY, LOST_COLUMN)
    spoilt = spoil_rows(stage.upstream, DIRTY_DAY, DIRTY_FRACTION)
    stage.ready()
    dag = dag_id("ingest")
    runs = [
        stage.airflow.trigger(dag, {"start": first, "end": last}, note="airloop demo")
        for first, last in MONTHS
    ]
    january, february = (
        stage.finish(dag, run, well=well) for run, well in zip(runs, (False, True), strict=True)
    )
    message = stage.airflow.failure(dag, january["dag_run_id"])
    refused = f"1 of {JANUARY} partitions refused" in message and BROKEN_DAY in message
    expect(refused, "exactly one day is refused", value=message)
    expect(LOST_COLUMN in message, "the refusal names the missing column", value=message)
    _look_at_lake(stage, spoilt)
    report = stage.airflow.xcom(dag, february["dag_run_id"], "ingest")
    expect(report["quarantined"] == spoilt, "the report counts the quarantined rows", value=report)
    return (
        f"{DAYS - 1} of {DAYS} days in the lake; {BROKEN_DAY} refused for its missing column "
        f"{LOST_COLUMN!r}; {DIRTY_DAY}: {spoilt} rows in quarantine"
    )


def _look_at_lake(stage: DemoStage, spoilt: int) -> None:
    """Nothing of the broken day is visible; the dirty rows are where they belong."""
    from airloop.data.lake.lake import Lake

    lake = Lake(stage.settings)
    present = set(lake.partitions(DATASET))
    expect(BROKEN_DAY not in present, "nothing of the refused day is visible", value=BROKEN_DAY)
    expect(len(present) >= DAYS - 1, "every other day is there", value=len(present))
    put_aside = lake.snapshot(f"{DATASET}__quarantine", [DIRTY_DAY])
    expect(put_aside.rows == spoilt, "the impossible rows are in quarantine", value=put_aside.rows)
    reasons = lake.read(put_aside, [REASONS])[REASONS]
    expect(reasons.astype(str).str.len().min() > 0, "each of them has its reasons")
