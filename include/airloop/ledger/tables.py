"""The ledger's tables. Plain SQLAlchemy Core, the same on SQLite and on Postgres."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Double,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

from airloop.vocabulary import LOOP

#: Airflow and MLflow each have an ``alembic_version``, and one database may hold all three.
VERSION_TABLE = "airloop_alembic_version"
#: What Airloop 0.1 reads and refuses, since it knew 2 at most; nothing else looks at it.
CLOSED = 3


#: What a hand wrote where a time stands, and is none: older than anything, and what no link proves.
UNREADABLE = datetime.min.replace(tzinfo=UTC)


class Moment(TypeDecorator[datetime]):
    """An instant, kept and returned in UTC: SQLite forgets time zones, Postgres converts them."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC.

        :raises ValueError: if the value has no time zone, since then it names no instant
        """
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From what the database remembers."""
        if value is None or value.tzinfo is not None:
            return value and value.astimezone(UTC)
        return value.replace(tzinfo=UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        """The same, for a column of SQLite's in which anything may lie: one bad row is no reason to read none."""
        read: Any = super().result_processor(dialect, coltype)

        def time(value: Any) -> Any:
            try:
                return read(value)
            except (TypeError, ValueError):
                return UNREADABLE

        return time


metadata = MetaData()

#: Alembic's own table: the last migration that this ledger has seen.
version = Table(
    VERSION_TABLE,
    metadata,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)

#: How 0.1 knew a ledger's age.
schema = Table(
    "airloop_schema",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
)

#: The newest attempt under each key: the fence that shuts older ones out.
attempts = Table(
    "airloop_attempts",
    metadata,
    Column("key", String(300), primary_key=True),
    Column("token", Integer, nullable=False),
    Column("owner", Text, nullable=False),
    Column("at", Moment, nullable=False),
)

triggers = Table(
    "airloop_triggers",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("model", String(63), nullable=False),
    Column("cause", String(32), nullable=False),
    Column("dedup_key", String(300), nullable=False),
    Column("reason", Text, nullable=False),
    Column("partition", String(10)),
    Column("at", Moment, nullable=False),
    Column("claimed_by", String(300)),
    Column("state", String(16), nullable=False, server_default="waiting"),
    # Until when a claim holds of which Airflow says nothing.
    Column("lease", Moment),
    Column("merged_into", String(64)),
    Column("actor", Text, nullable=False, server_default=LOOP),
    UniqueConstraint("model", "dedup_key"),
    # A run claims one trigger at most, also when two attempts of it claim at once.
    UniqueConstraint("model", "claimed_by"),
)

decisions = Table(
    "airloop_decisions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(300), nullable=False, unique=True),
    Column("entity", String(63), nullable=False, index=True),
    Column("topic", String(32), nullable=False),
    Column("action", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("figures", JSON, nullable=False),
    Column("at", Moment, nullable=False),
    Column("actor", Text, nullable=False),
)

deployments = Table(
    "airloop_deployments",
    metadata,
    Column("model", String(63), primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("previous", Integer),
    Column("artifact_uri", Text, nullable=False),
    Column("artifact_digest", String(80), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("fence_key", String(300), nullable=False),
    Column("fence_token", Integer, nullable=False),
    Column("actor", Text, nullable=False, server_default=LOOP),
    # What asked for it (a run's id): asking twice delivers once, even after a rollback in between.
    Column("request", String(300)),
    UniqueConstraint("model", "request"),
)

#: Which versions answer beside the last deployment's, and how often; a row is over when another deployment follows.
traffic = Table(
    "airloop_traffic",
    metadata,
    Column("model", String(63), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    # The deployment that it is about: who serves and who answers how often cannot contradict each other.
    Column("deployment", Integer, nullable=False),
    Column("strategy", String(63), nullable=False),
    Column("step", Integer, nullable=False),
    Column("shares", JSON, nullable=False),
    Column("options", JSON, nullable=False),
    Column("key", String(63)),
    Column("salt", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("fence_key", String(300), nullable=False),
    Column("fence_token", Integer, nullable=False),
    Column("actor", Text, nullable=False, server_default=LOOP),
    # The strategy's step: asked for twice, it is taken once.
    Column("request", String(300), nullable=False),
    UniqueConstraint("model", "request"),
)

#: What each attempt used, as far as it was sampled.
usage = Table(
    "airloop_usage",
    metadata,
    Column("key", String(300), primary_key=True),
    Column("token", Integer, primary_key=True, autoincrement=False),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("step", String(32), nullable=False),
    Column("entity", String(63), nullable=False, index=True),
    Column("wall_seconds", Double, nullable=False),
    Column("cpu_seconds", Double, nullable=False),
    Column("gpu_seconds", Double, nullable=False),
    Column("gpu_utilisation", Double),
    Column("peak_host_bytes", BigInteger, nullable=False),
    Column("peak_gpu_bytes", BigInteger, nullable=False),
    Column("outcome", String(16)),
    Column("run_id", String(64), index=True),
    Column("version", Integer),
    Column("at", Moment, nullable=False),
)

#: Partitions whose data were found broken, and what became of it.
incidents = Table(
    "airloop_incidents",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("model", String(63), nullable=False),
    Column("dataset", String(63), nullable=False, index=True),
    Column("partition", String(32), nullable=False),
    # Of the rows that were found broken; of a partition that was not there, nothing.
    Column("digest", String(80), nullable=False),
    Column("columns", JSON, nullable=False),
    Column("lasting", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("status", String(16), nullable=False),
    Column("resolution", Text),
    Column("resolved_at", Moment),
    Column("actor", Text),
    UniqueConstraint("model", "partition", "digest"),
)

#: The chain of each entity: a row for each of its rows in the covered tables, with the digest of the row before.
chain = Table(
    "airloop_chain",
    metadata,
    Column("entity", String(63), primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    # The covered row: its key, its place in its table, and the digest of what it says.
    Column("key", String(300), nullable=False),
    Column("place", Integer, nullable=False),
    Column("content", String(80), nullable=False),
    Column("at", Moment, nullable=False),
    Column("scheme", String(32), nullable=False),
    Column("digest", String(80), nullable=False),
    # A row's link is looked for by the row: otherwise along the whole chain.
    Index("ix_airloop_chain_row", "kind", "entity", "place"),
)
