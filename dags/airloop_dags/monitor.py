"""### Look at a night.

**Started by** its schedule (nightly, or whenever a partition arrives), the trigger form, or
`POST /api/v2/dags/monitor_<model>/dagRuns` with `{"logical_date": null, "conf": {"partition": "2013-03-08"}}`.

**Does**: join the labels that arrived late, compare the window that ends with this day with the data the champion was
trained on, tell a data incident from drift from nothing, record the decision with its figures.
**Out**: the model's retrain asset, only when the decision is to retrain.

**When it fails**: nothing was decided; clear the task. A night looked at ten times triggers once. A decision *alert* is
no failure: the data is broken, repair and ingest that day again.
"""

from __future__ import annotations

from airflow.sdk import dag

from airloop.specs import DatasetSpec, ModelSpec
from airloop.specs.requests import MonitorConf
from airloop_operators.defaults import (
    form,
    lasting,
    minutes_of,
    monitoring,
    place,
    policy,
    start_of,
)
from airloop_operators.monitoring import MonitorModelOperator


def build(spec: ModelSpec, dataset: DatasetSpec) -> None:
    """The DAG of one model."""

    @dag(
        dag_id=f"monitor_{spec.name}",
        description=f"Watch: {spec.description}",
        doc_md=__doc__,
        schedule=monitoring(spec, dataset),
        start_date=start_of(dataset),
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=lasting(minutes=minutes_of(spec, "monitor", 60)),
        is_paused_upon_creation=False,
        params=form(MonitorConf, dataset),
        default_args=policy(spec.owner, minutes=60) | place(spec, "monitor"),
        tags=["airloop", "monitor", spec.name],
    )
    def monitor() -> None:
        MonitorModelOperator(
            task_id="monitor",
            model=spec.name,
            doc_md="Labels, performance, drift, triage, decision.",
        )

    monitor()
