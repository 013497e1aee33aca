"""### Reasons to train that nobody claimed, and what a hand has done in MLflow.

**Started by** its schedule (every quarter of an hour), by `airloop reconcile`, or the trigger form.

**Does**: asks Airflow what became of the runs that claimed a reason to train, and lets go what a run that was ended by
hand, deleted or cleaned away has left; wakes the training of every reason that waits for longer than `grace_minutes`:
its event was lost, or the training DAG was paused when it came. **Out**: the models' retrain assets. Beside it
`reconcile_mlflow` compares MLflow with the ledger: an alias that was moved, a version, a run, an experiment or a whole model that
was deleted, a version made by hand. Each is named, announced and put right; the ledger decides, MLflow shows.

**When it fails**: the task's last line says what did not answer; the next run looks again.
"""

from __future__ import annotations

from airflow.sdk import dag

from airloop_operators.defaults import housekeeping
from airloop_operators.mirroring import ReconcileMlflowOperator
from airloop_operators.waking import WakeTrainingsOperator

#: Every quarter of an hour.
SCHEDULE = "*/15 * * * *"


def build() -> None:
    """The one DAG."""

    @dag(
        dag_id="airloop_wake",
        description="Wakes the trainings whose reasons nobody claimed; puts MLflow right.",
        doc_md=__doc__,
        schedule=SCHEDULE,
        **housekeeping(5, grace=5),
        tags=["airloop", "train"],
    )
    def wake() -> None:
        WakeTrainingsOperator(
            task_id="wake", doc_md="Let go what ended runs have left; wake what waits."
        )
        ReconcileMlflowOperator(
            task_id="reconcile_mlflow", doc_md="Let MLflow say what the ledger says."
        )

    wake()
