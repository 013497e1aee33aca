"""Incidents: partitions that were found broken, remembered until they are mended or a person has said what they are."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, func, select, update

from airloop.contracts import Contract, Name, PartitionKey
from airloop.errors import RequestError
from airloop.ledger.database import insert_or_ignore
from airloop.ledger.tables import incidents
from airloop.vocabulary import LOOP, IncidentStatus


class Incident(Contract):
    """A partition that was found broken, for one model."""

    number: int = 0
    model: Name
    dataset: Name
    partition: PartitionKey
    #: Of the rows as they were found; empty where there were none.
    digest: str
    #: What is broken of it; nothing where it is the whole.
    columns: tuple[str, ...] = ()
    #: Whether it may prove to be drift by lasting.
    lasting: bool = False
    reason: str
    at: datetime
    status: IncidentStatus = IncidentStatus.OPEN
    resolution: str | None = None
    resolved_at: datetime | None = None
    actor: str | None = None


_FIELDS = [incidents.c[name] for name in Incident.model_fields]
#: Of these nothing is learned.
STANDING = (IncidentStatus.OPEN, IncidentStatus.FAULT)


def remember(connection: Connection, incident: Incident) -> Incident:
    """Put an incident down; the same rows found broken again are the same incident, with what became of it.

    One that was mended and whose old rows came back is open again.
    """
    insert_or_ignore(connection, incidents, incident.model_dump(exclude={"number"}))
    same = (
        (incidents.c.model == incident.model)
        & (incidents.c.partition == incident.partition)
        & (incidents.c.digest == incident.digest)
    )
    connection.execute(
        update(incidents)
        .where(same, incidents.c.status == IncidentStatus.MENDED.value)
        .values(status=IncidentStatus.OPEN.value, resolution=None, resolved_at=None, actor=None)
    )
    query = select(*_FIELDS).where(same)
    return _read(connection.execute(query).one()._mapping)


def listed(
    connection: Connection, model: str | None, statuses: Collection[IncidentStatus], limit: int
) -> list[Incident]:
    """The last incidents, newest first, of one model or all."""
    query = select(*_FIELDS).order_by(incidents.c.number.desc()).limit(limit)
    query = query.where(incidents.c.status.in_([one.value for one in statuses]))
    if model is not None:
        query = query.where(incidents.c.model == model)
    return [_read(row._mapping) for row in connection.execute(query)]


def by_number(connection: Connection, number: int) -> Incident:
    """An incident.

    :raises RequestError: if there is none of this number
    """
    row = connection.execute(select(*_FIELDS).where(incidents.c.number == number)).first()
    if row is None:
        raise RequestError(
            "there is no such incident", value=number, remedy="`airloop incidents` lists them"
        )
    return _read(row._mapping)


def last_of_each(
    connection: Connection, statuses: Collection[IncidentStatus], limit: int
) -> dict[str, list[Incident]]:
    """The last incidents of each model that has any, newest first."""
    newest = incidents.c.number.desc()
    place = func.row_number().over(partition_by=incidents.c.model, order_by=newest)
    stands = incidents.c.status.in_([one.value for one in statuses])
    found = select(*_FIELDS, place.label("place")).where(stands).subquery()
    last = select(*(found.c[one.name] for one in _FIELDS)).where(found.c.place <= limit)
    result: dict[str, list[Incident]] = {}
    for row in connection.execute(last.order_by(found.c.number.desc())):
        result.setdefault(row.model, []).append(_read(row._mapping))
    return result


def standing(
    connection: Connection, dataset: str, columns: Collection[str], as_of: datetime | None = None
) -> list[Incident]:
    """What is broken of a dataset, as far as it concerns these columns, in the partitions' order."""
    stands: ColumnElement[bool] = incidents.c.status.in_([one.value for one in STANDING])
    if as_of is not None:
        # What is over today was not yet over then.
        stands = (incidents.c.at <= as_of) & (stands | (incidents.c.resolved_at > as_of))
    query = select(*_FIELDS).where(incidents.c.dataset == dataset, stands)
    found = [_read(row._mapping) for row in connection.execute(query)]
    concerned = [one for one in found if not one.columns or set(one.columns) & set(columns)]
    return sorted(concerned, key=lambda one: one.partition)


def resolve(
    connection: Connection, number: int, status: IncidentStatus, reason: str, actor: str
) -> tuple[Incident, bool]:
    """Say what an incident was. The same word again changes nothing.

    :returns: the incident, and whether this call resolved it
    :raises RequestError: if there is none of this number, or it was resolved as something else
    """
    open_ = incidents.c.status == IncidentStatus.OPEN.value
    values = {"status": status.value, "resolution": reason, "actor": actor}
    done = connection.execute(
        update(incidents)
        .where(incidents.c.number == number, open_)
        .values(**values, resolved_at=datetime.now(UTC))
    )
    found = by_number(connection, number)
    if found.status is not status:
        raise RequestError(
            f"the incident was resolved as {found.status} already, by {found.actor}",
            value=status.value,
            where=f"incident {number}",
            remedy="ingest its partition anew to have it judged again",
        )
    return found, bool(done.rowcount)


def mend(connection: Connection, number: int, reason: str) -> None:
    """A partition that was found broken was ingested anew, and is sound."""
    connection.execute(
        update(incidents)
        .where(incidents.c.number == number)
        .values(
            status=IncidentStatus.MENDED.value,
            resolution=reason,
            resolved_at=datetime.now(UTC),
            actor=LOOP,
        )
    )


def _read(row: object) -> Incident:
    return Incident.model_validate(dict(row))  # type: ignore[call-overload]
