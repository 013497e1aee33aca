"""The names that the ledger knows, whatever specs there are today."""

from __future__ import annotations

from sqlalchemy import Connection, select, union

from airloop.ledger import tables


def names(connection: Connection) -> tuple[str, ...]:
    """Every model and dataset that anything was put down about, sorted."""
    columns = (
        *(tables.decisions.c.entity, tables.deployments.c.model),
        *(tables.triggers.c.model, tables.usage.c.entity),
    )
    query = union(*(select(column) for column in columns))
    return tuple(sorted(row[0] for row in connection.execute(query)))
