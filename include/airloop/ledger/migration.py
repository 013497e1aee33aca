"""Bringing an older ledger to today's tables: one transaction, under the lock, so that a kill leaves it as it was."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from airloop.ledger import guards, schema
from airloop.ledger.database import Database
from airloop.ledger.schema import Age
from airloop.settings import Settings

#: Alembic's environment and scripts.
SCRIPTS = Path(__file__).parent / "migrations"


def migrate(settings: Settings) -> Age:
    """Bring the ledger of these settings to today's tables, or create it; of several at once one does it.

    :returns: how it stood before
    :raises SpecError: if the URL is wrong, or a newer Airloop wrote this ledger
    :raises UnreachableError: if the database does not answer, or somebody holds its tables for too long
    """
    database = Database(settings.ledger_url)
    schema.prepare(database)
    with database.writing() as connection:
        schema.lock(connection)
        age = schema.age_of(connection)
        if age is Age.MISSING:
            schema.create(connection)
        elif age is Age.OLDER:
            _upgrade(connection)
    schema.refuse_newer(database, age)
    return age


def _upgrade(connection: Connection) -> None:
    # Alembic costs a third of a second to import, and only this needs it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    # % begins an interpolation in Alembic's configuration.
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    guards.install(connection)
