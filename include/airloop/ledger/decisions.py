"""Decisions: what the loop answered, on which figures and why. Only ever appended."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, func, select, union_all

from airloop.contracts import Decision
from airloop.ledger.chain import note
from airloop.ledger.database import insert_or_ignore
from airloop.ledger.tables import decisions
from airloop.vocabulary import Topic

_FIELDS = [decisions.c[name] for name in Decision.model_fields]
#: SQLite takes five hundred queries in one at most.
_AT_ONCE = 200


def record(connection: Connection, decision: Decision) -> Decision:
    """Append a decision; under an id that is taken, the first one stays and is returned."""
    if insert_or_ignore(connection, decisions, decision.model_dump()):
        note(connection, "decision", decision.entity, decision.id)
    return by_id(connection, decision.id) or decision


def by_id(connection: Connection, decision_id: str) -> Decision | None:
    """The decision with this id."""
    row = connection.execute(select(*_FIELDS).where(decisions.c.id == decision_id)).first()
    return None if row is None else Decision(**row._mapping)


def newest_of_each(connection: Connection, topic: Topic) -> dict[str, Decision]:
    """The last decision on a topic of each model or dataset that has one."""
    last = select(func.max(decisions.c.number)).where(decisions.c.topic == topic)
    query = select(*_FIELDS).where(decisions.c.number.in_(last.group_by(decisions.c.entity)))
    found = [Decision(**row._mapping) for row in connection.execute(query)]
    return {one.entity: one for one in found}


def newest(
    connection: Connection, entity: str | None, topic: Topic | None, limit: int
) -> list[Decision]:
    """The last decisions, newest first, of one model or dataset or all, on one topic or all."""
    query = select(*_FIELDS).order_by(decisions.c.number.desc()).limit(limit)
    if entity is not None:
        query = query.where(decisions.c.entity == entity)
    if topic is not None:
        query = query.where(decisions.c.topic == topic)
    return [Decision(**row._mapping) for row in connection.execute(query)]


def last_of_each(
    connection: Connection, entities: Sequence[str], topics: Collection[Topic], limit: int
) -> dict[str, list[Decision]]:
    """The last decisions of each of some entities, newest first.

    Many small queries sent as one: each reads its entity's last rows by the index, where a window function would go through
    all that was ever decided.
    """
    result: dict[str, list[Decision]] = {}
    for first in range(0, len(entities), _AT_ONCE):
        each = [
            select(*_FIELDS, decisions.c.number)
            .where(decisions.c.entity == entity, decisions.c.topic.in_(sorted(topics)))
            .order_by(decisions.c.number.desc())
            .limit(limit)
            .subquery()
            for entity in entities[first : first + _AT_ONCE]
        ]
        found = union_all(*(select(one) for one in each)).subquery()
        for row in connection.execute(select(found).order_by(found.c.number.desc())):
            fields = {name: row._mapping[name] for name in Decision.model_fields}
            result.setdefault(row.entity, []).append(Decision(**fields))
    return result
