"""The DAG processor looks whether every DAG that the specs promise is there, and tells a person once if not."""

from __future__ import annotations

import logging
import re
import time
from datetime import UTC, datetime

from airloop.contracts import NAME_PATTERN
from airloop.plugins.alert import Alert
from airloop.projects.absence import Absence, absences
from airloop.projects.stubs import Plan
from airloop.settings import read_settings
from airloop_operators.parsed import parsed

log = logging.getLogger(__name__)

#: Seconds between two looks.
EVERY = 60.0
#: How many absences one alert tells; of the others it tells the number.
TOLD = 10
#: What the alert is of where more than one spec lacks its DAGs, or none can be named.
_ALL = "airloop"


class Watch:
    """The looks of one bundle, and what was told already."""

    def __init__(self, bundle: str) -> None:
        self._bundle, self._next = bundle, 0.0
        self._told: frozenset[str] = frozenset()

    def look(self, plan: Plan) -> tuple[Absence, ...]:
        """What is missing now, at most once in a while; it is announced when it is new.

        No failure of it may keep the DAG processor from its work.
        """
        from sqlalchemy.exc import SQLAlchemyError

        if time.monotonic() < self._next:
            return ()
        self._next = time.monotonic() + EVERY
        try:
            found = absences(plan.stubs(), parsed(self._bundle), time.time())
        except SQLAlchemyError as error:
            log.warning("Airflow's database was not asked for missing DAGs: %s", error)
            return ()
        new = [one for one in found if str(one) not in self._told]
        self._told = frozenset(map(str, found))
        if new:
            self._announce(new)
        return found

    def _announce(self, found: list[Absence]) -> None:
        from airloop.alerts.sending import tell

        said = [str(one) for one in found[:TOLD]]
        if len(found) > TOLD:
            said.append(f"and {len(found) - TOLD} specs more")
        log.error("DAGs are missing: %s", "; ".join(said))
        settings, _ = read_settings()
        if settings is None:
            return
        name = found[0].stub.path.stem
        alone = len(found) == 1 and re.match(NAME_PATTERN, name)
        alert = Alert(
            model=name if alone else _ALL,
            partition=f"{datetime.now(UTC):%Y-%m-%d}",
            triage="missing DAGs",
            reason="; ".join(said),
            decision="",
            report=None,
        )
        if failure := tell(settings, alert):
            log.error("the alert of missing DAGs was not taken: %s", failure)
