"""The chain: one for each entity, so that history which was edited, deleted, re-ordered or replaced is seen to be.

Each covered row has a link with the digest of what the row says, and a digest over the link and the digest of the link
before. Links are made at the end of the transaction that wrote the rows, from what the database then holds: row and link
are there both or neither. By then the transaction has taken every other lock, and the chains' come last and in the order
of their names, so that no two writers ever wait for each other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from sqlalchemy import JSON, ColumnElement, Connection, Row, Table, Text, cast, insert, select

from airloop.ledger import attempts
from airloop.ledger.database import before_commit
from airloop.ledger.tables import chain, decisions, deployments, traffic, triggers

#: How digests are made; each link names it, so that another may follow.
SCHEME = "airloop-chain-1"
#: What the first link of a chain follows on.
START = "sha256:" + "0" * 64
_NOTED = "airloop_noted"


@dataclass(frozen=True)
class Kind:
    """One kind of covered row: whose it is, its key, its place in its table, and what of it is covered."""

    name: str
    table: Table
    entity: str
    key: str
    place: str
    covers: tuple[str, ...]
    #: Whether a row is linked again each time it changes; the others are linked once.
    changes: bool = False


#: The columns stand by name: a scheme is for ever.
KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            *("decision", decisions, "entity", "id", "number"),
            ("id", "entity", "topic", "action", "reason", "figures", "at", "actor"),
        ),
        Kind(
            *("deployment", deployments, "model", "sequence", "sequence"),
            (
                *("model", "sequence", "version", "previous", "artifact_uri", "artifact_digest"),
                *("kind", "reason", "at", "fence_key", "fence_token", "actor", "request"),
            ),
        ),
        Kind(
            *("trigger", triggers, "model", "id", "number"),
            ("id", "model", "cause", "dedup_key", "reason", "partition", "at", "actor"),
        ),
        Kind(
            *("state", triggers, "model", "id", "number"),
            ("id", "state", "claimed_by", "merged_into"),
            changes=True,
        ),
        Kind(
            *("traffic", traffic, "model", "number", "number"),
            (
                *("model", "number", "deployment", "strategy", "step", "shares", "options"),
                *("key", "salt", "reason", "at", "fence_key", "fence_token", "actor", "request"),
            ),
        ),
    )
}


#: Those that there were when ledgers were chained for the first time.
_FIRST_KINDS = ("decision", "deployment", "trigger", "state")


@dataclass(frozen=True)
class Covered:
    """A covered row, as the database holds it now."""

    kind: str
    entity: str
    key: str
    place: int
    content: str


@dataclass(frozen=True)
class Link:
    """One link of a chain."""

    entity: str
    sequence: int
    kind: str
    key: str
    place: int
    content: str
    at: datetime
    scheme: str = SCHEME
    digest: str = ""

    def after(self, previous: str) -> str:
        """The digest that it has behind a link with this one."""
        said = {
            "scheme": self.scheme,
            "entity": self.entity,
            "sequence": self.sequence,
            "kind": self.kind,
            "key": self.key,
            "place": self.place,
            "content": self.content,
            "at": _moment(self.at),
            "previous": previous,
        }
        return digest_of(said)


def note(connection: Connection, kind: str, entity: str, *keys: str | int) -> None:
    """Say that a covered row was written, or changed: it is linked when the transaction ends."""
    noted = connection.info.setdefault(_NOTED, {})
    for key in keys:
        noted.setdefault(entity, {})[kind, str(key)] = None
    before_commit(connection, _NOTED, seal)


def adopt(connection: Connection) -> None:
    """Link all rows of a ledger that has no chain yet, the oldest first: what a migration does, once.

    Of kinds that came later there are no rows then, nor tables.
    """
    rows = [
        (row.at, order, covered(kind, row))
        for order, kind in enumerate(KINDS[name] for name in _FIRST_KINDS)
        for row in connection.execute(query_of(kind, kind.table.c.at))
    ]
    rows.sort(key=lambda one: (one[2].entity, one[0], one[1], one[2].place))
    links: list[dict[str, Any]] = []
    for _, group in groupby(rows, key=lambda one: one[2].entity):
        links += _links((one for _, _, one in group), 0, START)
    if links:
        connection.execute(insert(chain), links)


def head(connection: Connection, entity: str) -> tuple[int, str]:
    """The number and the digest of an entity's last link; 0 and the start's where it has none."""
    query = select(chain.c.sequence, chain.c.digest).where(chain.c.entity == entity)
    row = connection.execute(query.order_by(chain.c.sequence.desc()).limit(1)).first()
    return (row.sequence, row.digest) if row is not None else (0, START)


def heads_of(connection: Connection) -> dict[str, tuple[int, str]]:
    """The number and the digest of the last link of every chain: one look into the key's index for each, however long they are."""
    ends = select(chain.c.entity, chain.c.sequence, chain.c.digest)
    ends = ends.order_by(chain.c.entity.desc(), chain.c.sequence.desc()).limit(1)
    heads, query = dict[str, tuple[int, str]](), ends
    while (row := connection.execute(query).first()) is not None:
        heads[row.entity] = (row.sequence, row.digest)
        query = ends.where(chain.c.entity < row.entity)
    return heads


def rows_of(connection: Connection, kind: Kind, entity: str) -> Iterator[Covered]:
    """An entity's rows of a kind, in the order of their places."""
    table = kind.table
    query = query_of(kind).where(table.c[kind.entity] == entity).order_by(table.c[kind.place])
    return (covered(kind, row) for row in connection.execute(query))


def links_of(connection: Connection, entity: str, after: int = 0) -> Iterator[Link]:
    """An entity's links in order, those behind a number."""
    query = select(chain).where(chain.c.entity == entity, chain.c.sequence > after)
    for row in connection.execute(query.order_by(chain.c.sequence)):
        yield Link(**row._mapping)


def digest_of(said: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical form: JSON in ASCII, the keys sorted, no blanks. What no JSON knows stands as Python writes it."""
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), default=repr)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def seal(connection: Connection) -> None:
    """Link what the transaction has noted."""
    noted: dict[str, dict[tuple[str, str], None]] = connection.info.pop(_NOTED)
    for entity in sorted(noted):
        attempts.begin(connection, f"chain:{entity}")
        rows = [_read(connection, KINDS[kind], entity, key) for kind, key in noted[entity]]
        links = _links(rows, *head(connection, entity))
        connection.execute(insert(chain), links)


def _read(connection: Connection, kind: Kind, entity: str, key: str) -> Covered:
    column = kind.table.c[kind.key]
    value = int(key) if column.type.python_type is int else key
    mine = (kind.table.c[kind.entity] == entity) & (column == value)
    return covered(kind, connection.execute(query_of(kind).where(mine)).one())


def query_of(kind: Kind, *more: ColumnElement[Any]) -> Any:
    """A kind's rows: each column that is covered by its own name, and the row's place; JSON as the text that it is stored as."""
    table = kind.table
    columns: list[ColumnElement[Any]] = [
        cast(column, Text).label(name) if isinstance(column.type, JSON) else column
        for name in kind.covers
        for column in (table.c[name],)
    ]
    beside = [table.c[kind.entity].label("of"), table.c[kind.place].label("in_place")]
    return select(*columns, *beside, *(one for one in more if one.name not in kind.covers))


def covered(kind: Kind, row: Row[Any]) -> Covered:
    """A row of :func:`query_of`, with the digest of what it says."""
    values = {name: row._mapping[name] for name in kind.covers}
    said = {name: _moment(v) if isinstance(v, datetime) else v for name, v in values.items()}
    content = digest_of({"scheme": SCHEME, "kind": kind.name, "row": said})
    return Covered(kind.name, row.of, str(values[kind.key]), row.in_place, content)


def _links(rows: Iterable[Covered], sequence: int, digest: str) -> list[dict[str, Any]]:
    made, now = list[Link](), datetime.now(UTC)
    for row in rows:
        sequence += 1
        link = Link(row.entity, sequence, row.kind, row.key, row.place, row.content, now)
        digest = link.after(digest)
        made.append(replace(link, digest=digest))
    return [dict(vars(link)) for link in made]


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def entities(connection: Connection) -> Sequence[str]:
    """Every name that has a chain, or should have."""
    columns = [chain.c.entity, *(kind.table.c[kind.entity] for kind in KINDS.values())]
    found = {row[0] for one in columns for row in connection.execute(select(one).distinct())}
    return sorted(found, key=str)
