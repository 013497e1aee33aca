"""What Alembic runs for every command: on the connection, and in the transaction, that it was given."""

from __future__ import annotations

from alembic import context

from airloop.ledger.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # Airflow and MLflow each have an alembic_version of their own, and one database may hold all three.
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
