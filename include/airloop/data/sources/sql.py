"""The source ``sql``: one query with the bound parameters ``:start`` and ``:end``, read in batches."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from airloop.calendar import cadence_of, moment_of
from airloop.data.sources.specs import SqlSpec
from airloop.errors import DataError, SpecError, UnreachableError
from airloop.partition import Cadence, Partition
from airloop.specs.sections.addresses import with_driver


def read_sql(source: SqlSpec, partition: str) -> Iterator[pd.DataFrame]:
    """The frames of one partition: ``:start`` is its first moment, ``:end`` the first one after it.

    Both are bound as dates of the dataset's zone, for an hour or a delivery as moments in UTC.

    The rows come through a server-side cursor where the database has one, ``batch_rows`` at a time.

    :raises SpecError: if the URL's variable is not set or wrong
    :raises UnreachableError: if the database does not answer
    :raises DataError: if the query fails
    """
    bounds = _bounds(partition)
    kind = sa.DateTime(timezone=True) if isinstance(bounds[0], datetime) else sa.Date()
    query = sa.text(source.query)
    # The query over a whole table, as it is delivered, names neither.
    given = {
        name: bound
        for name, bound in zip(("start", "end"), bounds, strict=True)
        if name in query.compile().params
    }
    query = query.bindparams(*(sa.bindparam(name, type_=kind) for name in given))
    engine = _engine(source)
    try:
        with _connection(engine, source) as connection, _query_errors(engine, source, partition):
            result = connection.execution_options(
                stream_results=True,
                yield_per=source.batch_rows,
                # Of a name with a dot SQLAlchemy would else keep what follows it.
                sqlite_raw_colnames=True,
            ).execute(query, given)
            names = list(result.keys())
            if len(set(names)) != len(names):
                raise DataError("the query names a column twice", value=names)
            for rows in result.partitions(source.batch_rows):
                # As the driver gives them: of whole numbers with a gap pandas would make floats, and round them.
                yield pd.DataFrame([tuple(row) for row in rows], columns=names, dtype=object)
    finally:
        engine.dispose()


def _bounds(partition: str) -> tuple[date, date]:
    """A partition's first moment and the first after it, which its key tells: dates, or moments in UTC."""
    cadence = cadence_of(partition)
    if cadence is Cadence.HOUR:
        start = moment_of(partition)
        return start, start + timedelta(hours=1)
    return Partition.parse(partition, cadence).days


def _engine(source: SqlSpec) -> sa.Engine:
    text = os.environ.get(source.variable, "")
    where = f"environment variable {source.variable}"
    if not text:
        raise SpecError("the database's URL is not set", where=where)
    try:
        return sa.create_engine(sa.make_url(with_driver(text)))
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError) as error:
        # Never the URL itself: it may hold a password.
        raise SpecError(
            "not the URL of a database that can be used here",
            where=where,
            remedy="write it as dialect://user:password@host/name and install the driver",
        ) from error


@contextmanager
def _connection(engine: sa.Engine, source: SqlSpec) -> Iterator[sa.Connection]:
    try:
        connection = engine.connect()
    except SQLAlchemyError as error:
        raise UnreachableError(
            f"the database does not answer: {_plain(engine, error)}",
            where=f"environment variable {source.variable}",
        ) from error
    with connection:
        yield connection


@contextmanager
def _query_errors(engine: sa.Engine, source: SqlSpec, partition: str) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        lost = isinstance(error, DBAPIError) and error.connection_invalidated
        kind = UnreachableError if lost else DataError
        raise kind(
            f"the query failed: {_plain(engine, error)}",
            value=partition,
            where=f"source.query on {source.variable}",
        ) from error


def _plain(engine: sa.Engine, error: SQLAlchemyError) -> str:
    """The driver's own first line, without the statement and without the password."""
    cause = getattr(error, "orig", None) or error
    text = str(cause).splitlines()[0] if str(cause) else type(cause).__name__
    password = engine.url.password
    return text.replace(str(password), "***") if password else text
