"""A row that has no link, accepted by a person: an older Airloop wrote it, which knew of no chain.

It is linked at the end of its chain as it is now. What was linked once and then edited is never accepted.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from airloop.errors import RequestError
from airloop.ledger.chain import KINDS, Kind, Link, links_of, note, rows_of

_TABLES = sorted({kind.table.name for kind in KINDS.values()})
_REMEDY = "`airloop audit verify` names the rows that have no link, as TABLE/ENTITY/KEY"


def link(connection: Connection, named: str) -> tuple[str, str]:
    """Have a row linked when the transaction ends.

    :param named: its table, entity and key, between slashes
    :returns: its entity, and what it says
    :raises RequestError: if there is no such row, it has its link, or was edited after it was linked
    """
    table, _, rest = named.partition("/")
    entity, _, key = rest.partition("/")
    kinds = [kind for kind in KINDS.values() if kind.table.name == table]
    if not kinds:
        raise RequestError("no such table has links", value=table, valid=_TABLES, remedy=_REMEDY)
    links = {(one.kind, one.key): one for one in links_of(connection, entity)}
    wanting = [kind.name for kind in kinds if _wants(connection, kind, entity, key, links)]
    if not wanting:
        raise RequestError("this row has its link already", value=named, remedy=_REMEDY)
    for kind in wanting:
        note(connection, kind, entity, key)
    return entity, _said(connection, kinds[0], entity, key)


def _wants(
    connection: Connection,
    kind: Kind,
    entity: str,
    key: str,
    links: dict[tuple[str, str], Link],
) -> bool:
    """Whether the row has no link of this kind, or its state none that says what it says now."""
    row = next((one for one in rows_of(connection, kind, entity) if one.key == key), None)
    if row is None:
        named = f"{kind.table.name}/{entity}/{key}"
        raise RequestError("there is no such row", value=named, remedy=_REMEDY)
    found = links.get((kind.name, key))
    if found is None:
        return True
    if (found.content, found.place) == (row.content, row.place):
        return False
    if kind.changes and found.place == row.place:
        return True
    raise RequestError(
        "this row was edited after it was linked, which nobody can accept",
        value=f"{kind.table.name}/{entity}/{key}, link {found.sequence}",
        remedy="find who wrote, and bring back the last backup that is sound",
    )


def _said(connection: Connection, kind: Kind, entity: str, key: str) -> str:
    """The row in words, as a person is shown what he accepts."""
    table = kind.table
    column = table.c[kind.key]
    value = int(key) if column.type.python_type is int else key
    mine = (table.c[kind.entity] == entity) & (column == value)
    row = connection.execute(select(*(table.c[name] for name in kind.covers)).where(mine)).one()
    return ", ".join(f"{name}={said}" for name, said in row._mapping.items())
