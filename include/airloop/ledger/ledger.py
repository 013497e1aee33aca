"""The ledger: the loop's memory. Airflow may lose or double events; what stands here is unique."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from airloop.contracts import Decision, Fence, Trigger
from airloop.errors import RequestError
from airloop.ledger import attempts, audit, chain, claims, decisions, proofs, schema, triggers
from airloop.ledger.audit import Audit, Heads
from airloop.ledger.claims import Claim
from airloop.ledger.database import Database
from airloop.ledger.deployment_ledger import DeploymentLedger
from airloop.ledger.incident_ledger import IncidentLedger
from airloop.ledger.naming import names
from airloop.ledger.usage_ledger import UsageLedger
from airloop.vocabulary import LOOP, Action, Cause, Topic, TriggerState

Figures = Mapping[str, float | int | str | None]


class Ledger(DeploymentLedger, IncidentLedger, UsageLedger):
    """Attempts, triggers, decisions, deployments and usage. Each method is one transaction.

    Safe to share between threads and to carry over a fork: it holds no open connection.

    :raises SpecError: if the URL is wrong, a newer Airloop wrote this ledger, or an older one and nobody migrated it
    :raises UnreachableError: if the database does not answer
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        schema.ensure(self._database)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Several acts as one; all of them happen or none."""
        with self._database.writing() as connection:
            yield connection

    def begin_attempt(self, key: str, owner: str = "") -> Fence:
        """Start an attempt under a key, and shut out every earlier one."""
        with self._database.writing() as connection:
            return attempts.begin(connection, key, owner)

    def newest_attempt(self, key: str) -> int:
        """The token of the newest attempt under a key; 0 where there was none."""
        with self._database.reading() as connection:
            return attempts.newest(connection, key)

    def check_fence(self, fence: Fence) -> None:
        """Whether this attempt is still the newest.

        :raises SupersededError: "superseded by attempt N"
        """
        with self._database.reading() as connection:
            attempts.check(connection, fence)

    def record_decision(
        self,
        *,
        entity: str,
        topic: Topic,
        action: Action,
        reason: str,
        figures: Figures | None = None,
        actor: str = LOOP,
        id: str | None = None,  # noqa: A002 - the name of the field
        ends: tuple[str, TriggerState] | None = None,
    ) -> Decision:
        """Append a decision. The same ``id`` twice: the first stays and is returned.

        :param ends: the trigger whose training ends with it, and how: both are written or neither
        """
        decision = Decision(
            id=id or uuid.uuid4().hex,
            entity=entity,
            topic=topic,
            action=action,
            reason=reason,
            figures=dict(figures or {}),
            at=datetime.now(UTC),
            actor=actor,
        )
        with self._database.writing() as connection:
            if ends is not None:
                triggers.finish(connection, *ends)
            return decisions.record(connection, decision)

    def decision(self, id: str) -> Decision | None:  # noqa: A002 - the name of the field
        """The decision with this id."""
        with self._database.reading() as connection:
            return decisions.by_id(connection, id)

    def proves(self, decision: Decision) -> bool:
        """Whether a decision is what its link says: nobody put it there past Airloop, or edited it."""
        with self._database.reading() as connection:
            kind = chain.KINDS["decision"]
            return proofs.proves(connection, kind, decision.entity, decision.id)

    def decisions(
        self, entity: str | None = None, topic: Topic | None = None, limit: int = 50
    ) -> list[Decision]:
        """The last decisions, newest first."""
        with self._database.reading() as connection:
            return decisions.newest(connection, entity, topic, limit)

    def last_decisions(
        self, entities: Sequence[str], topics: Collection[Topic], limit: int
    ) -> dict[str, list[Decision]]:
        """The last decisions of each entity on any of these topics, newest first."""
        with self._database.reading() as connection:
            return decisions.last_of_each(connection, entities, topics, limit)

    def newest_decisions(self, topic: Topic) -> dict[str, Decision]:
        """Each entity's last decision on a topic, in one query."""
        with self._database.reading() as connection:
            return decisions.newest_of_each(connection, topic)

    def emit_trigger(
        self,
        *,
        model: str,
        cause: Cause,
        dedup_key: str,
        reason: str,
        partition: str | None = None,
    ) -> tuple[Trigger, bool]:
        """Write a reason to train, once per key. Returns it, and whether it is new."""
        with self._database.writing() as connection:
            return triggers.emit(
                connection,
                model=model,
                cause=cause,
                dedup_key=dedup_key,
                reason=reason,
                partition=partition,
            )

    def claim_trigger(self, model: str, run: str, lease: timedelta | None = None) -> Trigger | None:
        """Give this run the oldest open trigger; asked again, the same one; else None."""
        with self._database.writing() as connection:
            return claims.claim(connection, model, run, lease)

    def finish_trigger(self, trigger_id: str, state: TriggerState) -> None:
        """Say what became of a trigger. The first stays, but ``failed``.

        :raises RequestError: if there is no such trigger
        """
        with self._database.writing() as connection:
            if not triggers.finish(connection, trigger_id, state):
                raise RequestError("the ledger has no such trigger", value=trigger_id)

    def finish_claimed(self, model: str, run: str, state: TriggerState) -> Trigger | None:
        """Say what became of the trigger that a run claimed, whatever killed the run; None where all is said."""
        with self._database.writing() as connection:
            return claims.finish_claimed(connection, model, run, state)

    def claims(self, model: str | None = None) -> list[Claim]:
        """The triggers in flight and their runs, oldest first, of one model or all."""
        with self._database.reading() as connection:
            return claims.in_flight(connection, model)

    def open_triggers(self, model: str | None = None) -> list[Trigger]:
        """The triggers that wait for a run, oldest first, of one model or all."""
        with self._database.reading() as connection:
            return triggers.unclaimed(connection, model)

    def recent_triggers(self, model: str, since: datetime) -> list[Trigger]:
        """The triggers emitted since then, oldest first, whatever became of them."""
        with self._database.reading() as connection:
            return triggers.recent(connection, model, since)

    def last_trained(self, model: str, night: str) -> str | None:
        """The newest partition up to a night for which a training is asked for, whatever became of it."""
        with self._database.reading() as connection:
            return triggers.last_trained(connection, model, night)

    def audit(self, anchors: Mapping[str, Heads] | None = None) -> Audit:
        """Whether history is what was written, at one moment; :mod:`airloop.ledger.audit` says how that is told."""
        with self._database.reading(snapshot=True) as connection:
            return audit.verify(connection, anchors)

    def glance(self, anchors: Mapping[str, Heads] | None = None) -> Audit:
        """The guards and the anchored links alone, whatever the length of history."""
        with self._database.reading(snapshot=True) as connection:
            return audit.glance(connection, anchors)

    def names(self) -> tuple[str, ...]:
        """Every model and dataset that anything was put down about, whether or not it still has a spec."""
        with self._database.reading() as connection:
            return names(connection)
