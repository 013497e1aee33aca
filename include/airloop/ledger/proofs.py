"""Whether a covered row is what its link says: a few rows for each, however long its chain is."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Text, cast

from airloop.ledger.chain import START, Kind, Link, covered, query_of
from airloop.ledger.tables import chain

#: What a row's link is called beside its columns, which have some of the same names.
_LINK = "link_"
_OF_THE_LINK = ("sequence", "key", "place", "content", "at", "scheme", "digest")
_BEFORE = f"{_LINK}before"


def linked(kind: Kind) -> Any:
    """The rows of a kind that have a link, each with it, newest link first where it has several, for :func:`holds`."""
    table, before = kind.table, chain.alias("before")
    mine = (
        (chain.c.kind == kind.name)
        & (chain.c.entity == table.c[kind.entity])
        & (chain.c.place == table.c[kind.place])
        & (chain.c.key == cast(table.c[kind.key], Text))
    )
    follows = (before.c.entity == chain.c.entity) & (before.c.sequence == chain.c.sequence - 1)
    joined = table.join(chain, mine).outerjoin(before, follows)
    link = [chain.c[name].label(_LINK + name) for name in _OF_THE_LINK]
    query = query_of(kind).add_columns(*link, before.c.digest.label(_BEFORE))
    place = table.c[kind.place]
    return query.select_from(joined).order_by(place.desc(), chain.c.sequence.desc())


def holds(kind: Kind, row: Row[Any]) -> bool:
    """Whether a row of :func:`linked` is what its link says, and the link follows on the one before."""
    found = covered(kind, row)
    said = {name: row._mapping[_LINK + name] for name in _OF_THE_LINK}
    link = Link(entity=found.entity, kind=kind.name, **said)
    same = (found.content, found.place) == (link.content, link.place)
    return same and link.digest == link.after(row._mapping[_BEFORE] or START)


def proves(connection: Connection, kind: Kind, entity: str, key: str | int) -> bool:
    """Whether one row is what its newest link says; cheaper than the whole chain."""
    table = kind.table
    mine = (table.c[kind.entity] == entity) & (table.c[kind.key] == key)
    row = connection.execute(linked(kind).where(mine).limit(1)).first()
    return row is not None and holds(kind, row)
