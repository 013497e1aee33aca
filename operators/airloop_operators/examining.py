"""The lake's examination, as an operator."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperator

from airloop.ledger import open_ledger
from airloop.settings import load_settings
from airloop_operators.credentials import with_storage
from airloop_operators.errors import airflow_errors


class ExamineLakeOperator(BaseOperator):
    """Compares every file of the lake, and every entry of its tables' logs, with what was written.

    What is damaged, gone or changed is named, put down and announced; the task succeeds all the same, since it has looked.
    Returns a line for each.
    """

    def execute(self, context: Any) -> list[str]:
        """Look once."""
        # Here and nowhere else: a DAG file needs no Delta.
        from airloop.data.lake.examination import examined, tables_of
        from airloop.delivery.watches import LAKE, put_down

        found: list[str] = []
        with airflow_errors():
            settings = with_storage(load_settings())
            for table in examined(settings, tables_of(settings)):
                self.log.info("%s: %s", table.name, "; ".join(table.faults) or "sound")
                found += table.faults
            put_down(open_ledger(settings), settings, LAKE, found, full=True)
        return found
