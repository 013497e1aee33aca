"""Usage: what each attempt of a step took from the machines. Written as whole rows, so writing twice adds nothing."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, or_, select, update

from airloop.accounting.figures import Usage
from airloop.ledger.database import upsert
from airloop.ledger.tables import usage

_FIELDS = [usage.c[name] for name in Usage.model_fields]
#: What the first write says and no later one changes back to nothing.
_KEPT = ("run_id", "version")


def record(connection: Connection, row: Usage) -> None:
    """Put an attempt's figures in the place of those written before."""
    values = row.model_dump()
    if row.run_id is None:  # a pod that helped may write after the run is known
        known = select(usage.c.run_id).where(usage.c.key == row.key, usage.c.run_id.is_not(None))
        values["run_id"] = connection.execute(known.limit(1)).scalar()
    changes = {name: value for name, value in values.items() if name not in _KEPT}
    upsert(connection, usage, values, changes)


def assign(
    connection: Connection,
    keys: Sequence[str],
    *,
    prefix: str | None,
    run_id: str | None,
    version: int | None,
) -> None:
    """Say what the attempts under these keys, or under keys that begin so, were for; what is said already stays."""
    theirs: ColumnElement[bool] = usage.c.key.in_(keys)
    if prefix is not None:
        theirs = or_(theirs, usage.c.key.startswith(prefix, autoescape=True))
    if run_id is not None:
        without = and_(theirs, usage.c.run_id.is_(None))
        connection.execute(update(usage).where(without).values(run_id=run_id))
        theirs = usage.c.run_id == run_id
    if version is not None:
        without = and_(theirs, usage.c.version.is_(None))
        connection.execute(update(usage).where(without).values(version=version))


def rows(
    connection: Connection, entity: str | None, run_id: str | None, limit: int | None
) -> list[Usage]:
    """The attempts, newest first, of one model or dataset, or of one MLflow run."""
    query = select(*_FIELDS).order_by(usage.c.at.desc(), usage.c.key, usage.c.token).limit(limit)
    if entity is not None:
        query = query.where(usage.c.entity == entity)
    if run_id is not None:
        query = query.where(usage.c.run_id == run_id)
    return [Usage(**row._mapping) for row in connection.execute(query)]
