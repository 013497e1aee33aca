"""Which DAGs Airflow lacks, for the page and for `airloop status`."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from airloop.errors import UnreachableError
from airloop.paths import config_folder, dags_folder
from airloop.projects import absence
from airloop.projects.absence import Presence
from airloop.projects.stubs import Plan
from airloop_operators.parsed import parsed


def presence() -> Presence:
    """The DAGs of the specs, those that are there and those that are not; a wrong spec is told of elsewhere.

    :raises SpecError: if the folder of the specs cannot be listed
    :raises UnreachableError: if Airflow's database does not answer
    """
    plan = _plan(config_folder(), dags_folder())
    try:
        return absence.presence(plan.stubs(), parsed(), time.time())
    except SQLAlchemyError as error:
        raise UnreachableError(
            f"Airflow's database was not asked for missing DAGs: {type(error).__name__}"
        ) from error


def absent() -> tuple[str, ...]:
    """A sentence for each spec whose DAGs are not there.

    :raises SpecError: if the folder of the specs cannot be listed
    """
    try:
        return tuple(map(str, presence().absent))
    except UnreachableError as error:
        return (str(error),)


@cache
def _plan(config: Path, dags: Path) -> Plan:
    """Kept, since it remembers what it read."""
    return Plan(config, dags)
