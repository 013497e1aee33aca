"""The ledger's part on incidents."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from airloop.contracts import Decision
from airloop.ledger import decisions, incidents
from airloop.ledger.database import Database
from airloop.ledger.incidents import Incident
from airloop.vocabulary import LOOP, Action, IncidentStatus, Topic


class IncidentLedger:
    """What was found broken. Each method is one transaction."""

    _database: Database

    def remember_incident(self, incident: Incident) -> Incident:
        """Put down that a partition is broken; the same rows again are the same incident."""
        with self._database.writing() as connection:
            return incidents.remember(connection, incident)

    def incidents(
        self,
        model: str | None = None,
        statuses: Collection[IncidentStatus] = tuple(IncidentStatus),
        limit: int = 50,
    ) -> list[Incident]:
        """The last incidents, newest first."""
        with self._database.reading() as connection:
            return incidents.listed(connection, model, statuses, limit)

    def incident(self, number: int) -> Incident:
        """One of them.

        :raises RequestError: if there is none of this number
        """
        with self._database.reading() as connection:
            return incidents.by_number(connection, number)

    def last_incidents(
        self, statuses: Collection[IncidentStatus], limit: int
    ) -> dict[str, list[Incident]]:
        """The last incidents of each model that has any, newest first."""
        with self._database.reading() as connection:
            return incidents.last_of_each(connection, statuses, limit)

    def standing_incidents(
        self, dataset: str, columns: Collection[str], as_of: datetime | None = None
    ) -> list[Incident]:
        """What is broken of a dataset, as far as it concerns these columns, by what is known now or was at a moment."""
        with self._database.reading() as connection:
            return incidents.standing(connection, dataset, columns, as_of)

    def resolve_incident(
        self, number: int, status: IncidentStatus, reason: str, actor: str = LOOP
    ) -> Incident:
        """Say what an incident was, on record.

        :raises RequestError: if there is none of this number, or it was resolved as something else
        """
        with self._database.writing() as connection:
            found, new = incidents.resolve(connection, number, status, reason, actor)
            if new:
                decision = Decision(
                    id=f"incident:{number}:{status}",
                    entity=found.model,
                    topic=Topic.INCIDENT,
                    action=Action.RESOLVED,
                    reason=f"{found.partition} as {status}: {reason}",
                    figures={"incident": number, "partition": found.partition},
                    at=datetime.now(UTC),
                    actor=actor,
                )
                decisions.record(connection, decision)
            return found

    def mend_incident(self, number: int, reason: str) -> None:
        """A partition that was found broken was ingested anew, and is sound."""
        with self._database.writing() as connection:
            incidents.mend(connection, number, reason)
