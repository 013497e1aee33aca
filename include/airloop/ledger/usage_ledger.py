"""The ledger's part on what attempts used."""

from __future__ import annotations

from airloop.accounting.figures import Usage
from airloop.ledger import usage
from airloop.ledger.database import Database


class UsageLedger:
    """CPU, memory and GPUs of attempts. Each method is one transaction."""

    _database: Database

    def record_usage(self, row: Usage) -> None:
        """Put down what an attempt has used so far, in the place of what was put down before."""
        with self._database.writing() as connection:
            usage.record(connection, row)

    def assign_usage(
        self,
        *keys: str,
        prefix: str | None = None,
        run_id: str | None = None,
        version: int | None = None,
    ) -> None:
        """Say for which run and version the attempts under these keys were; what is said already stays.

        :param prefix: and those of all keys that begin so
        """
        with self._database.writing() as connection:
            usage.assign(connection, keys, prefix=prefix, run_id=run_id, version=version)

    def usage(
        self, entity: str | None = None, run_id: str | None = None, limit: int | None = None
    ) -> list[Usage]:
        """What attempts used, newest first: those of one model or dataset, or those behind one MLflow run."""
        with self._database.reading() as connection:
            return usage.rows(connection, entity, run_id, limit)
