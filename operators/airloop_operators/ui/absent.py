"""Which DAGs Airflow lacks, for the page and for `airloop status`."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from airloop.paths import config_folder, dags_folder
from airloop.projects.absence import absences
from airloop.projects.stubs import Plan
from airloop_operators.parsed import parsed


def absent() -> tuple[str, ...]:
    """A sentence for each spec whose DAGs are not there, those left out whose spec is wrong: that is told of the spec.

    :raises SpecError: if the folder of the specs cannot be listed
    """
    plan = _plan(config_folder(), dags_folder())
    try:
        found = absences(plan.stubs(), parsed(), time.time())
    except SQLAlchemyError as error:
        return (f"Airflow's database was not asked for missing DAGs: {type(error).__name__}",)
    return tuple(str(one) for one in found if not one.of_the_spec)


@cache
def _plan(config: Path, dags: Path) -> Plan:
    """Kept, since it remembers what it read."""
    return Plan(config, dags)
