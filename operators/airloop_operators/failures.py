"""A run that failed leaves its reason on record: Airflow's log has it too, where nobody looks who was not told."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSkipException,
    AirflowTaskTimeout,
)

from airloop.errors import AirloopError
from airloop.ledger import open_ledger
from airloop.settings import load_settings
from airloop.vocabulary import Action, Topic
from airloop_operators.runs import run_name

log = logging.getLogger("airloop.failures")
#: How much of a foreign error goes on record.
_LENGTH = 1_000


@contextmanager
def recorded(entity: str, context: Any) -> Iterator[None]:
    """Put down why a task fails for good; one that is tried again has not failed yet.

    :param entity: the model or dataset that the task is about
    """
    try:
        yield
    except (AirflowSkipException, AirflowRescheduleException):
        raise
    except (Exception, AirflowTaskTimeout) as error:
        if isinstance(error, AirflowFailException) or _is_last(context):
            _record(entity, context, str(error) or type(error).__name__)
        raise


def _is_last(context: Any) -> bool:
    task = context.get("ti")
    if task is None:  # outside of Airflow's run of a task nobody looks for the record
        return False
    return int(task.try_number) > int(getattr(task, "max_tries", 0) or 0)


def _record(entity: str, context: Any, reason: str) -> None:
    """Never in the way of the error itself."""
    run, task = run_name(context), context["ti"].task_id
    try:
        open_ledger(load_settings()).record_decision(
            entity=entity,
            topic=Topic.RUN,
            action=Action.FAILED,
            reason=f"{run.partition('/')[0]}, {task}: {reason[:_LENGTH]}",
            figures={"run": run, "task": task},
            id=f"run:{run}:{task}:{context['ti'].try_number}"[:300],
        )
    except AirloopError as error:
        log.warning("the failure of %s could not be put down: %s", run, error)
