"""### Pods and Jobs without a task.

**Started by** its schedule (every ten minutes), by `airloop reconcile`, or the trigger form. There is one where a model
says `compute: kubernetes`.

**Does**: compares what runs on the cluster with the tasks in Airflow. What runs for a task that has ended or is gone is named
in the log, and ended once `grace_minutes` are over. A pod that left a result its task never took is kept: clear the task.

**When it fails**: the task's last line says what did not answer; nothing was ended.
"""

from __future__ import annotations

from airflow.sdk import dag

from airloop_operators.defaults import housekeeping
from airloop_operators.reconciling import ReconcilePodsOperator

#: Every ten minutes.
SCHEDULE = "*/10 * * * *"


def build() -> None:
    """The one DAG."""

    @dag(
        dag_id="airloop_reconcile",
        description="Ends pods and Jobs whose task has ended.",
        doc_md=__doc__,
        schedule=SCHEDULE,
        **housekeeping(15, grace=10),
        tags=["airloop", "kubernetes"],
    )
    def reconcile() -> None:
        ReconcilePodsOperator(
            task_id="reconcile", doc_md="Name what runs alone; end what did for long."
        )

    reconcile()
