"""### Whether the ledger's history is what was written.

**Started by** its schedule (every five minutes) or the trigger form.

**Does**: compares the database's guards and the anchored links with the ledger, and every row with its link once a day; then
anchors the chains' newest links in the step store and in MLflow, so that a tail which is cut off is missed. What differs is
named in the log, put down, announced, and told by `airloop status` and the Airloop page until it is right again.

**When it fails**: the task's last line says what did not answer; the next run looks again. What to do about a difference:
`airloop audit verify` names all of it.
"""

from __future__ import annotations

from airflow.sdk import dag

from airloop_operators.auditing import AuditLedgerOperator
from airloop_operators.defaults import housekeeping

#: Every five minutes.
SCHEDULE = "*/5 * * * *"


def build() -> None:
    """The one DAG."""

    @dag(
        dag_id="airloop_audit",
        description="Looks whether the ledger's history is what was written, and anchors it.",
        doc_md=__doc__,
        schedule=SCHEDULE,
        **housekeeping(15),
        tags=["airloop", "ledger"],
    )
    def audit() -> None:
        AuditLedgerOperator(
            task_id="audit", doc_md="Compare history with its anchors; move them on."
        )

    audit()
