"""### Ingest partitions of a dataset.

**Started by** its schedule (each run takes the partitions that ended since the one before), a backfill, the trigger form, or
`POST /api/v2/dags/ingest_<dataset>/dagRuns` with `{"logical_date": null, "conf": {"partition": "2013-01-05"}}`, or a
range: `{"start": "2013-01-01", "end": "2013-01-31"}`.

**Does**: fetch, validate, put bad rows aside, commit the partition to the lake: it becomes visible whole or not
at all. Where the spec says `recheck`, a second task asks the source again for the partitions before: one with other rows
becomes a new version. **Out**: the dataset's asset, an event a partition, with its key.

**When it fails**: the task's last line says what is wrong with which partition; the button *Data Docs* shows every check.
Repair the source and clear the task. Running a partition twice changes nothing.
"""

from __future__ import annotations

from airflow.sdk import dag

from airloop.specs import DatasetSpec
from airloop.specs.requests import IngestConf
from airloop_operators.defaults import each_interval, form, lasting, policy, start_of
from airloop_operators.ingestion import IngestDatasetOperator, RecheckDatasetOperator


def build(spec: DatasetSpec) -> None:
    """The DAG of one dataset."""

    @dag(
        dag_id=f"ingest_{spec.name}",
        description=spec.description,
        doc_md=__doc__,
        schedule=each_interval(spec.schedule, spec.timezone),
        start_date=start_of(spec),
        catchup=False,
        max_active_runs=4,
        max_active_tasks=4,
        dagrun_timeout=lasting(minutes=30),
        is_paused_upon_creation=False,
        params=form(IngestConf, spec),
        default_args=policy(spec.owner, minutes=30),
        tags=["airloop", "ingest", spec.name],
    )
    def ingest() -> None:
        IngestDatasetOperator(
            task_id="ingest", dataset=spec.name, doc_md="Fetch, validate, quarantine, commit."
        )
        if spec.recheck:
            RecheckDatasetOperator(
                task_id="recheck",
                dataset=spec.name,
                doc_md="Ask again for what the schedule ingested before.",
            )

    ingest()
