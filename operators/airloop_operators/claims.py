"""What became of the runs that claimed reasons to train: Airflow is asked, since people end runs in many ways."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from airflow.sdk.exceptions import AirflowRuntimeError
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

from airloop.ledger import Ledger
from airloop.ledger import claims as rows
from airloop.ledger.claims import Claim
from airloop.vocabulary import Action, Topic, TriggerState

log = logging.getLogger("airloop.claims")


def run_lives(dag_id: str, run_id: str) -> bool | None:
    """Whether this run is queued or running, None where Airflow does not say; a deleted one does not live."""
    if not hasattr(task_runner, "SUPERVISOR_COMMS"):
        return None  # outside of a task there is nobody to ask
    try:
        count = RuntimeTaskInstance.get_dr_count(
            dag_id=dag_id, run_ids=[run_id], states=["queued", "running"]
        )
    except (AirflowRuntimeError, OSError) as error:
        log.warning("Airflow does not say what became of %s/%s: %s", dag_id, run_id, error)
        return None
    return bool(count)


def settle(ledger: Ledger, model: str | None = None) -> list[Claim]:
    """End the claims whose runs live no more without having said so; returns those that are in flight.

    A run that was marked by hand, deleted, or cleaned away tells nobody. Where Airflow does not answer, a claim stays
    until its lease is over: could not tell is no end, but no run lives for longer than its DAG lets it.

    :param model: whose claims; all models' without it
    """
    flying, now = [], datetime.now(UTC)
    for claim in ledger.claims(model):
        dag_id, _, run_id = claim.run.partition("/")
        lives, over = run_lives(dag_id, run_id), claim.is_over(now)
        if lives is False or (lives is None and over):
            _lose(ledger, claim, over=lives is None)
            continue
        if lives and over:
            with ledger.transaction() as connection:
                rows.renew(connection, claim.trigger.id)
        flying.append(claim)
    return flying


def first_of_its_life(context: Any) -> bool:
    """Whether nothing of this run has been tried before: what its name has claimed, an earlier run of that name did."""
    return context["ti"].try_number <= 1 and not _clear_number(context)


def was_cleared(context: Any) -> bool:
    """Whether this run was there before and is repeated."""
    return bool(_clear_number(context))


def _clear_number(context: Any) -> int:
    return int(getattr(context["dag_run"], "clear_number", 0) or 0)


def _lose(ledger: Ledger, claim: Claim, *, over: bool) -> None:
    trigger = claim.trigger
    what = "was seen by nobody for as long as it may live" if over else "was ended, or is gone,"
    log.warning("run %s ended without a word: its reason is in flight no more", claim.run)
    ledger.record_decision(
        entity=trigger.model,
        topic=Topic.RUN,
        action=Action.ABANDONED,
        reason=f"run {claim.run} {what} and left its reason to train: {trigger.reason}",
        figures={"run": claim.run, "trigger": trigger.id, "kind": "train"},
        ends=(trigger.id, TriggerState.LOST),
    )
