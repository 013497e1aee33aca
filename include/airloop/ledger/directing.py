"""Directing a model's traffic: one more row, about the deployment that serves."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, func, insert, select

from airloop.contracts import Deployment, Fence
from airloop.errors import GateError, RequestError
from airloop.ledger import attempts
from airloop.ledger.chain import note
from airloop.ledger.faults import reach
from airloop.ledger.proofs import holds, linked
from airloop.ledger.serving import Serving, serving
from airloop.ledger.tables import traffic as table
from airloop.ledger.traffic import KIND, last_rows, traffic_of
from airloop.traffic import Split, Traffic, refuse_unsound
from airloop.vocabulary import LOOP


def record(
    connection: Connection,
    fence: Fence,
    *,
    model: str,
    split: Split,
    reason: str,
    request: str,
    actor: str = LOOP,
) -> Traffic:
    """Append the next row if the fence still holds, both in this transaction.

    :param request: what asked for it; the same request again returns the first row
    :raises SupersededError: if a newer attempt began
    :raises RequestError: if the split cannot be answered by, or no version serves yet
    :raises GateError: if its champion is not the version that serves, another delivery is under way, or a hand wrote over
        what is asked for
    """
    refuse_unsound(split, model)
    attempts.check(connection, fence, lock=True)
    if (done := _done(connection, model, request)) is not None:
        return done
    found = serving(connection, model).get(model)
    current = _served(split, model, found)
    _refuse_second(split, found.traffic if found is not None else None)
    row = Traffic(
        **split.model_dump(exclude={"shares"}),
        shares=split.shares,
        model=model,
        number=_last_number(connection, model) + 1,
        deployment=current.sequence,
        reason=reason,
        at=datetime.now(UTC),
        actor=actor,
    )
    values = row.model_dump(exclude={"shares"}) | {
        "shares": [share.model_dump(mode="json") for share in row.shares],
        "fence_key": fence.key,
        "fence_token": fence.token,
        "request": request,
    }
    connection.execute(insert(table).values(values))
    reach(fence.key, "traffic", "after")
    note(connection, "traffic", model, row.number)
    return row


def refuse_other(traffic: Traffic | None, version: int) -> None:
    """Let a promotion through of the version that is being delivered, or of any where none is.

    :raises GateError: if another one is
    """
    if traffic is None or not traffic.open:
        return
    if version not in {share.version for share in traffic.others}:
        raise _under_way(traffic, f"version {version}")


def _served(split: Split, model: str, found: Serving | None) -> Deployment:
    """The deployment of the split's champion, if that serves."""
    current, champion = found.current() if found is not None else None, split.champion
    if current is None:
        raise RequestError(
            "no version serves, so there is nothing to share requests with",
            value=split.strategy,
            where=f"model {model}",
            remedy="deliver the first version all at once",
        )
    if (champion.version, champion.artifact) != (current.version, current.artifact):
        raise GateError(
            f"version {current.version} serves, not version {champion.version}",
            where=f"model {model}, deployment {current.sequence}",
            remedy="another delivery came between: begin anew, against the champion of now",
        )
    return current


def _refuse_second(split: Split, now: Traffic | None) -> None:
    if now is not None and now.open and split.open and not split.same_delivery(now):
        named = ", ".join(f"{share.role} {share.version}" for share in split.others)
        raise _under_way(now, f"{split.strategy} of {named}")


def _under_way(now: Traffic, asked: str) -> GateError:
    named = ", ".join(f"{share.role} {share.version} at {share.weight:g} %" for share in now.others)
    return GateError(
        f"another delivery is under way: {now.strategy} of {named}",
        value=asked,
        where=f"model {now.model}, traffic {now.number}",
        remedy=f"let it end, or end it: `airloop rollback {now.model}`",
    )


def _last_number(connection: Connection, model: str) -> int:
    """The number of the last row, whoever put it there; of a deleted one its link tells."""
    rows = select(func.max(table.c.number)).where(table.c.model == model)
    linked_to = last_rows(connection, model).get(model, (0, None))[0]
    return max(connection.scalar(rows) or 0, linked_to)


def _done(connection: Connection, model: str, request: str) -> Traffic | None:
    mine = (table.c.model == model) & (table.c.request == request)
    if connection.scalar(select(table.c.number).where(mine)) is None:
        return None
    row = connection.execute(linked(KIND).where(mine).limit(1)).first()
    if row is not None and holds(KIND, row):
        return traffic_of(row)
    raise GateError(
        "a row that was put into the ledger past Airloop, or edited, bears this delivery's request",
        value=request,
        where=f"the traffic of {model}",
        remedy="`airloop audit verify` tells what was done",
    )
