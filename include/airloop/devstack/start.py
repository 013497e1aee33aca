"""`airloop up`: everything that is not running is started, side by side, and waited for."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from airloop.check import runtime
from airloop.check.cluster import found_lines
from airloop.devstack import airflow_config
from airloop.devstack.addresses import Addresses, choose_addresses, write_addresses
from airloop.devstack.airflow import Airflow
from airloop.devstack.components import components
from airloop.devstack.database import AirflowDatabase
from airloop.devstack.environment import (
    process_environment,
    stack_environment,
    write_env_file,
)
from airloop.devstack.external import check_external
from airloop.devstack.launch import Launch
from airloop.devstack.layout import Layout
from airloop.devstack.ports import Promises
from airloop.devstack.processes import ProcessRecord, read_records
from airloop.devstack.progress import Progress
from airloop.devstack.provision import provision
from airloop.devstack.secrets import Secrets, ensure_secrets
from airloop.errors import PermanentError, SpecError
from airloop.ledger.database import Database
from airloop.ledger.migration import migrate as migrate_ledger
from airloop.ledger.schema import Age, state
from airloop.registry import credentials
from airloop.settings import Settings, in_force, load_settings
from airloop.specs import load_catalog
from airloop.specs.sections.tokens import read_tokens
from airloop.storage.logs import turn_over


@dataclass(frozen=True)
class Started:
    """What `up` found or did."""

    addresses: Addresses
    secrets: Secrets
    #: Those that a person needs and that were made just now.
    new_secrets: tuple[str, ...]
    started: tuple[str, ...]
    #: Which ledger, lake and service are in force, and who says so.
    in_force: tuple[str, ...] = ()


def up(layout: Layout, progress: Progress) -> Started:
    """Start what does not run; a stack that runs is left as it is.

    :raises PermanentError: if another `airloop up` is at work on this home
    :raises UnreachableError: if a part does not become well; names its log; or if a database or a bucket that the
        settings name does not answer: then nothing was started
    :raises SpecError: if one of those refuses
    """
    layout.create()
    with _only_one(layout), Promises() as promises:
        check_external(load_settings())
        for line in found_lines(load_settings(), load_catalog(), layout.cluster):
            progress.notice(f"cluster: {line}")
        for line in runtime.strangers():
            progress.notice(line)
        turn_over(layout.logs)
        secrets, new = ensure_secrets(layout.secrets)
        records = read_records(layout.run)
        running = {name: record for name, record in records.items() if record.alive}
        addresses = choose_addresses(layout, running, progress.notice, promises)
        write_addresses(layout, addresses)
        settings = load_settings()
        _tell_tokens(settings, progress)
        _bring_ledger_up(settings, running, progress)
        common = stack_environment(layout, addresses.url("mlflow"))
        write_env_file(layout, common)
        database = airflow_config.database_url(layout, settings)
        options = airflow_config.options(layout, secrets, addresses, database)
        airflow_config.write(layout, options)
        env = process_environment(common, secrets["stack_id"]) | credentials.variables(settings)
        parts = components(layout, addresses, settings)
        missing = [part for part in parts if part.name not in running]
        airflow_database = AirflowDatabase(layout, database, env, progress)
        if "airflow-api" not in running:
            layout.provisioned.unlink(missing_ok=True)

        def migrate() -> None:
            if any(part.needs_database for part in missing):
                airflow_database.migrate()

        def furnish() -> None:
            # Each time: a start that was killed, or a person, may have left less than the DAGs count on.
            airflow = Airflow(addresses.url("airflow"), secrets["airflow_password"])
            for line in provision(airflow, settings):
                progress.notice(line)
            layout.provisioned.touch()

        Launch(layout, env, running, progress).run(parts, migrate, furnish)
    return Started(
        addresses, secrets, new, tuple(part.name for part in missing), in_force(settings)
    )


def _tell_tokens(settings: Settings, progress: Progress) -> None:
    """Say at once what the service will say in its log only: that its token lets nobody in."""
    if settings.serving.token is None:
        try:
            read_tokens(settings.serving.token_path)
        except SpecError as error:
            progress.notice(f"the prediction service lets nobody in: {error}")


def _bring_ledger_up(
    settings: Settings, running: Mapping[str, ProcessRecord], progress: Progress
) -> None:
    """Bring the ledger to this version, before anything opens it.

    :raises PermanentError: if processes of the older version still use it
    """
    age = state(Database(settings.ledger_url))
    if age is Age.OLDER and running:
        raise PermanentError(
            "a stack of an older Airloop still runs on this ledger",
            value=", ".join(sorted(running)),
            remedy="stop it first: `airloop down`, then `airloop up`",
        )
    if migrate_ledger(settings) is Age.OLDER:
        progress.notice("the ledger of an older Airloop was migrated")


@contextlib.contextmanager
def _only_one(layout: Layout) -> Iterator[None]:
    with (layout.run / "up.lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PermanentError(
                "another `airloop up` is at work here",
                where=str(layout.home),
                remedy="wait for it, then ask `airloop status`",
            ) from error
        yield
