"""The ledger's audit, as an operator."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import BaseOperator

from airloop.ledger import open_ledger
from airloop.settings import load_settings
from airloop_operators.credentials import storage_credentials
from airloop_operators.errors import airflow_errors


class AuditLedgerOperator(BaseOperator):
    """Compares the ledger's history with its anchors in the step store and MLflow, and moves them on.

    Once a day it compares every row with its link. What is not as it was written is named, put down and announced, and the
    anchors stay; the task succeeds all the same, since it has looked. Returns a line for each.
    """

    def execute(self, context: Any) -> list[str]:
        """Look once."""
        # Here and nowhere else: a DAG file needs no MLflow.
        from airloop.delivery.anchors import Anchors
        from airloop.delivery.auditing import watch

        with airflow_errors():
            settings = load_settings()
            anchors = Anchors(settings, storage_credentials(settings))
            found = watch(open_ledger(settings), settings, anchors, datetime.now(UTC))
        for line in found or ["history is what was written"]:
            self.log.info(line)
        return found
