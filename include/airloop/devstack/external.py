"""What the stack needs and does not start: databases and buckets, asked before anything is started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from uuid import uuid4

from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError, NoSuchModuleError

from airloop.errors import SpecError, UnreachableError
from airloop.settings import Settings
from airloop.specs.sections.addresses import masked, with_driver
from airloop.storage.files import Files
from airloop.storage.options import is_bucket

#: Seconds for a database to answer.
_PATIENCE = 10


def check_external(settings: Settings) -> None:
    """Ask every database and every bucket of the settings.

    :raises UnreachableError: if one does not answer
    :raises SpecError: if one refuses, or a bucket lets two writers overwrite each other
    """
    for key, url in _databases(settings):
        _ask(key, url)
    for key, uri in _buckets(settings):
        _probe(key, Files(uri, settings.storage_options, key))


def _databases(settings: Settings) -> Iterator[tuple[str, str]]:
    stack = settings.stack
    named = {
        "stack.airflow_database_url": stack.airflow_database_url,
        "stack.mlflow_database_url": stack.mlflow_database_url,
        "ledger_url": settings.ledger_url,
        "tuning_url": settings.tuning_url,
    }
    yield from ((key, url) for key, url in named.items() if url and url.startswith("postgresql"))


def _buckets(settings: Settings) -> Iterator[tuple[str, str]]:
    named = {
        "lake_uri": settings.lake_uri,
        "step_store_uri": settings.step_store_uri,
        "reports_uri": settings.reports_uri,
        "stack.mlflow_artifacts_uri": settings.stack.mlflow_artifacts_uri or "",
    }
    yield from ((key, uri) for key, uri in named.items() if is_bucket(uri))


def _ask(key: str, url: str) -> None:
    where, remedy = f"{key}: {masked(url)}", "start it, create the database, or correct the setting"
    try:
        engine = create_engine(
            with_driver(url), poolclass=NullPool, connect_args={"connect_timeout": _PATIENCE}
        )
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        install = "install Airloop's extra 'postgres'"
        raise SpecError("the driver is not installed", where=where, remedy=install) from error
    except DBAPIError as error:
        said = " ".join(str(error.orig).split())[:200]
        raise UnreachableError(
            f"the database does not answer: {said}", where=where, remedy=remedy
        ) from None


def _probe(key: str, files: Files) -> None:
    """Put an object twice where none may be overwritten: lake and step store rest on the second being refused."""
    name = f".probe-{os.getpid()}-{uuid4().hex}"
    try:
        first, second = files.create(name, b"1"), files.create(name, b"2")
        if not first or second or files.read(name) != b"1":
            raise SpecError(
                "the server does not honour conditional puts (If-None-Match): two writers would lose rows",
                where=f"{key}: {files.uri}",
                remedy="use a server that does, such as AWS S3, MinIO or SeaweedFS 4",
            )
    finally:
        files.remove(name)
