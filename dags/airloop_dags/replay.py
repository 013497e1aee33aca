"""### What each way to decide would have been worth.

**Started by** its schedule (the first of each month), the trigger form, or
`POST /api/v2/dags/airloop_replay/dagRuns` with `{"logical_date": null, "conf": {"model": "flight_delay"}}` for one alone.

**Does**: replays every model's past under several policies, as `airloop replay` does, and proposes thresholds. **Out**: a
page among the model's reports, to which the Airloop page and `airloop status` point. A model with too little history yet
is skipped.

**When it fails**: nothing was changed; what was fitted is kept, so that clearing the task goes on where it was.
"""

from __future__ import annotations

from airflow.sdk import CronTriggerTimetable, Param, dag

from airloop_operators.defaults import housekeeping
from airloop_operators.replaying import ModelsToReplayOperator, ReplayModelOperator

#: The first of each month, before people are at work.
SCHEDULE = "0 2 1 * *"
#: A year of a large dataset takes hours the first time.
MINUTES = 12 * 60


def build() -> None:
    """The one DAG."""
    shared = housekeeping(MINUTES, grace=0)
    shared["params"] = {"model": Param(None, type=["null", "string"], title="Model")}
    # Without a date to begin at, the first run is next month's: a stack that has just started has other things to do.
    shared["start_date"] = None

    @dag(
        dag_id="airloop_replay",
        description="Replays every model's past under several policies.",
        doc_md=__doc__,
        schedule=CronTriggerTimetable(SCHEDULE, timezone="UTC", run_immediately=False),
        **shared,
        tags=["airloop", "monitor"],
    )
    def replay() -> None:
        models = ModelsToReplayOperator(task_id="models", doc_md="The models that have a past.")
        ReplayModelOperator.partial(
            # Not of the heavy pool, where it would keep trainings out for hours: the step steps back by itself.
            task_id="replay",
            max_active_tis_per_dagrun=1,
            doc_md="Every policy over all nights, and the page.",
        ).expand(model=models.output)

    replay()
