"""The traffic that is in force: the last row of a model, if its link proves it and it is about the last deployment.

So a deployment ends whatever traffic there was, in its own transaction, and neither can say something else than the other.
A row that a hand put there, edited or deleted leaves the champion alone, which is always safe.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, func, select

from airloop.ledger.chain import KINDS
from airloop.ledger.proofs import holds, linked
from airloop.ledger.tables import chain
from airloop.ledger.tables import traffic as table
from airloop.traffic import Share, Traffic

KIND = KINDS["traffic"]


def last_rows(
    connection: Connection, model: str | None = None
) -> dict[str, tuple[int, Row[Any] | None]]:
    """Of each model that ever had traffic the number of its last linked row, and the row where it is there."""
    ends = select(chain.c.entity, func.max(chain.c.place).label("place"))
    ends = ends.where(chain.c.kind == KIND.name).group_by(chain.c.entity)
    if model is not None:
        ends = ends.where(chain.c.entity == model)
    last: dict[str, tuple[int, Row[Any] | None]]
    last = {row.entity: (row.place, None) for row in connection.execute(ends)}
    if not last:
        return {}
    of = ends.subquery()
    newest = linked(KIND).join(of, (table.c.model == of.c.entity) & (table.c.number == of.c.place))
    for row in connection.execute(newest):
        last[row.model] = (row.number, row)
    return last


def in_force(
    last: tuple[int, Row[Any] | None] | None, deployment: int
) -> tuple[Traffic | None, str | None]:
    """The traffic beside a deployment, and why the last row is not followed, if so."""
    if last is None:
        return None, None
    number, row = last
    if row is None or not holds(KIND, row):
        return None, doubt(number)
    return (traffic_of(row) if row.deployment == deployment else None), None


def history(connection: Connection, model: str, limit: int) -> Iterator[Traffic]:
    """The last rows of a model that their links prove, newest first."""
    query = linked(KIND).where(table.c.model == model).limit(limit)
    return (traffic_of(row) for row in connection.execute(query).all() if holds(KIND, row))


def doubt(number: int) -> str:
    """That a row is not gone by, in a sentence."""
    return (
        f"traffic {number} is not followed, and the champion answers everything: it was put into the ledger past Airloop,"
        " edited or deleted; `airloop audit verify` tells what was done"
    )


def traffic_of(row: Row[Any]) -> Traffic:
    """A row of the table. JSON comes as the text that is stored, from a query with links."""
    said = {name: row._mapping[name] for name in Traffic.model_fields}
    for name in ("shares", "options"):
        said[name] = json.loads(said[name]) if isinstance(said[name], str) else said[name]
    said["shares"] = tuple(Share.model_validate(share) for share in said["shares"])
    return Traffic(**said)
