"""MLflow put right by the ledger, as an operator."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator

from airloop.errors import UnreachableError
from airloop.ledger import open_ledger
from airloop.settings import load_settings
from airloop_operators.errors import airflow_errors


class ReconcileMlflowOperator(BaseOperator):
    """Compares MLflow's versions, aliases, tags, runs and experiments with the ledger, and puts right what differs.

    What a hand has done is named, put down and announced once. Returns a line for each difference and what became of it.
    Where MLflow does not answer nothing can be told, and the next run looks again.

    :param grace_minutes: how long a delivery's aliases may be on their way; a run's ``conf`` may say otherwise
    """

    def __init__(self, *, grace_minutes: int = 5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.grace_minutes = grace_minutes

    def execute(self, context: Any) -> list[str]:
        """Look once."""
        # Here and nowhere else: a DAG file needs no MLflow.
        from airloop.delivery.reconciliation import reconcile

        grace = timedelta(minutes=int(context["params"].get("grace_minutes", self.grace_minutes)))
        with airflow_errors():
            settings = load_settings()
            try:
                found = reconcile(open_ledger(settings), settings, grace)
            except UnreachableError as error:
                found = [f"could not be compared: {error}"]
        for line in found or ["MLflow says what the ledger says"]:
            self.log.info(line)
        return found
