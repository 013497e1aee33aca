"""### Whether the lake is what was written.

**Started by** its schedule (Sundays at 03:00 UTC) or the trigger form: after a restore, or once what was found is mended.

**Does**: reads every file of every table's newest version and compares it with the digest in its commit, and every entry of the
tables' logs, as `airloop lake verify` does. What is damaged, gone or changed is named in the log, put down, announced, and told
by `airloop status`, `airloop check` and the Airloop page until a later run finds it right again.

**When it fails**: the task's last line says what did not answer; nothing was put down, and clearing it looks again. What to do
about a damaged file: its line says it, mostly to ingest the partition again.
"""

from __future__ import annotations

from airflow.sdk import CronTriggerTimetable, dag

from airloop_operators.defaults import housekeeping
from airloop_operators.examining import ExamineLakeOperator

#: Once a week, before people are at work.
SCHEDULE = "0 3 * * 0"
#: All of a large lake is read.
MINUTES = 12 * 60


def build() -> None:
    """The one DAG."""
    shared = housekeeping(MINUTES)
    # Without a date to begin at, the first run is next Sunday's: a stack that has just started has other things to do.
    shared["start_date"] = None

    @dag(
        dag_id="airloop_examine",
        description="Looks whether every file of the lake is what was written.",
        doc_md=__doc__,
        schedule=CronTriggerTimetable(SCHEDULE, timezone="UTC", run_immediately=False),
        **shared,
        tags=["airloop", "lake"],
    )
    def examine() -> None:
        ExamineLakeOperator(task_id="examine", doc_md="Compare all that the lake holds.")

    examine()
