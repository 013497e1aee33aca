"""Who serves: the one answer that everybody goes by, be it the service, a step, a page or a command.

It is the last deployment that is what its link says. A row that a hand put over it, edited or deleted is told beside it,
and is nobody's champion. Looked for from the links, not from the rows: rows without a link, however many, are not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Row, func, select, true

from airloop.contracts import ArtifactRef, Deployment
from airloop.errors import GateError
from airloop.ledger.chain import KINDS
from airloop.ledger.proofs import holds, linked
from airloop.ledger.tables import chain, deployments
from airloop.ledger.tables import traffic as traffics
from airloop.ledger.traffic import KIND as TRAFFIC
from airloop.ledger.traffic import in_force, last_rows
from airloop.traffic import Traffic, alone
from airloop.vocabulary import DeploymentKind

_KIND = KINDS["deployment"]
#: Rows that are looked through at once for one that its link proves; the first is nearly always.
_AT_ONCE = 16


@dataclass(frozen=True)
class Serving:
    """What the ledger says of one model."""

    model: str
    #: The number of the last row that there is, or was: a link tells of one that was deleted.
    last: int
    #: The last deployment that its link proves, of whatever kind.
    proven: Deployment | None
    #: That row and its link as the database holds them, to see whether it is the same at the next look.
    held: tuple[Any, ...] = ()
    #: What was shared out beside that deployment, and why the last row about it is not followed, if so.
    shared: Traffic | None = None
    shared_doubt: str | None = None

    @property
    def traffic(self) -> Traffic | None:
        """Who answers how often: the champion everything, where nothing else was said; None where nobody serves."""
        champion = self.champion
        return None if champion is None else self.shared or alone(champion)

    @property
    def doubted(self) -> int | None:
        """The number of the last row where the loop did not write it so, or it was deleted."""
        return None if self.proven and self.proven.sequence == self.last else self.last

    @property
    def champion(self) -> Deployment | None:
        """What serves, as far as it is proven; None where the model was retired."""
        retired = self.proven is None or self.proven.kind is DeploymentKind.RETIRE
        return None if retired else self.proven

    @property
    def doubt(self) -> str | None:
        """That the last row is not followed, as everybody is told who asks who serves."""
        return self.shared_doubt if self.doubted is None else doubt(self.doubted)

    def current(self) -> Deployment | None:
        """What serves, for who builds on it.

        :raises GateError: if the row that says so was put there past Airloop, edited or deleted
        """
        if self.doubted is not None:
            raise _forged(self.model, self.doubted)
        return self.champion


def serving(
    connection: Connection,
    model: str | None = None,
    known: Mapping[str, Serving] | None = None,
) -> dict[str, Serving]:
    """What is so of every model that was ever deployed, or of one, in five queries at most.

    :param known: what an earlier look found: a row that is as it was then is not proven once more
    """
    last = last_numbers(connection, model)
    ends = _ends(model).subquery()
    newest = linked(_KIND).join(
        ends, (deployments.c.model == ends.c.entity) & (deployments.c.sequence == ends.c.place)
    )
    rows: dict[str, Row[Any]] = {}
    for one_of in connection.execute(newest):
        rows.setdefault(one_of.model, one_of)
    shares = last_rows(connection, model)
    found = {}
    for name, number in last.items():
        row, before = rows.get(name), (known or {}).get(name)
        if row is not None and before is not None and before.held == tuple(row):
            one, held = before.proven, before.held
        elif row is not None and holds(_KIND, row):
            one, held = deployment_of(row), tuple(row)
        else:
            one, held = next(proven(connection, name), None), ()
        # The loop may have delivered since the numbers were read.
        shared = in_force(shares.get(name), one.sequence) if one else (None, None)
        found[name] = Serving(name, max(number, one.sequence if one else 0), one, held, *shared)
    return found


def mark(connection: Connection) -> tuple[Any, ...]:
    """What another deployment or traffic, or a link to one, makes differ, in one row: how many there are, and their numbers' sums.

    Counted and not the last of them: two models' rows are committed in any order. An edit of what a row says leaves it.
    """
    there = select(func.count().label("rows"), func.sum(deployments.c.sequence).label("numbers"))
    linked_to = select(func.count().label("links"), func.sum(chain.c.place).label("places"))
    ours = there.select_from(deployments).subquery()
    shared = select(func.count().label("shares"), func.sum(traffics.c.number).label("shared"))
    beside = shared.select_from(traffics).subquery()
    theirs = linked_to.where(chain.c.kind.in_((_KIND.name, TRAFFIC.name))).subquery()
    joined = ours.join(beside, true()).join(theirs, true())
    query = select(ours, beside, theirs).select_from(joined)
    return tuple(connection.execute(query).one())


def last_numbers(connection: Connection, model: str | None = None) -> dict[str, int]:
    """The number of each model's last row, or of one's, whoever put it there; of a deleted one its link tells."""
    rows = select(deployments.c.model, func.max(deployments.c.sequence).label("place"))
    rows = rows.group_by(deployments.c.model)
    if model is not None:
        rows = rows.where(deployments.c.model == model)
    last: dict[str, int] = {}
    for name, place in (*connection.execute(rows), *connection.execute(_ends(model))):
        last[name] = max(place, last.get(name, place))
    return last


def history(connection: Connection, model: str, limit: int) -> list[Deployment]:
    """The last deployments of a model that their links prove, newest first."""
    return list(islice(proven(connection, model), limit))


def proven(connection: Connection, model: str) -> Iterator[Deployment]:
    """A model's deployments that are what their links say, newest first."""
    query = linked(_KIND).where(deployments.c.model == model).limit(_AT_ONCE)
    end = connection.execute(_ends(model)).first()
    below, seen = end.place + 1 if end is not None else 0, 0
    while rows := connection.execute(query.where(deployments.c.sequence < below)).all():
        for row in rows:
            if row.sequence != seen and holds(_KIND, row):
                yield deployment_of(row)
            below = seen = row.sequence


def doubt(number: int) -> str:
    """That a row is nobody's champion, in a sentence."""
    return (
        f"deployment {number} is not followed: it was put into the ledger past Airloop, edited or deleted;"
        " `airloop audit verify` tells what was done"
    )


def deployment_of(row: Row[Any]) -> Deployment:
    """A row of the table."""
    return Deployment(
        model=row.model,
        sequence=row.sequence,
        version=row.version,
        previous=row.previous,
        artifact=ArtifactRef(uri=row.artifact_uri, digest=row.artifact_digest),
        kind=row.kind,
        reason=row.reason,
        at=row.at,
        actor=row.actor,
    )


def _ends(model: str | None) -> Any:
    """The highest place of each model's links to deployments."""
    ends = select(chain.c.entity, func.max(chain.c.place).label("place"))
    ends = ends.where(chain.c.kind == _KIND.name).group_by(chain.c.entity)
    return ends if model is None else ends.where(chain.c.entity == model)


def _forged(model: str, number: int) -> GateError:
    return GateError(
        "the row that says which version serves is not the ledger's: it was put there past Airloop, edited or deleted",
        value=f"deployment {number}",
        where=f"model {model}",
        remedy="`airloop audit verify` tells what was done; `airloop rollback` lets the last version serve that the loop "
        "delivered; a row of an older Airloop's is accepted by `airloop audit anchor --accept`",
    )
