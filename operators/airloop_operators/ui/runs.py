"""The last run of each DAG, as Airflow's own tables have it: one query for all models."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from airloop_operators.links import run_link

log = logging.getLogger("airloop.page")


@dataclass(frozen=True)
class LastRun:
    """What became of the newest run of a DAG."""

    dag_id: str
    run_id: str
    #: Airflow's word, or ``skipped`` where every task was.
    state: str
    at: datetime
    failed: tuple[str, ...]

    @property
    def name(self) -> str:
        """The run's name in the ledger."""
        return f"{self.dag_id}/{self.run_id}"

    @property
    def url(self) -> str:
        """Airflow's page of it."""
        return run_link(self.name)


def last_runs(dag_ids: Iterable[str]) -> Mapping[str, LastRun]:
    """The newest run of each of these DAGs; none where Airflow's database does not answer."""
    newest = select(func.max(DagRun.id)).where(DagRun.dag_id.in_(list(dag_ids)))
    wanted = DagRun.id.in_(newest.group_by(DagRun.dag_id))
    query = (
        select(
            DagRun.dag_id,
            DagRun.run_id,
            DagRun.state,
            DagRun.run_after,
            TaskInstance.task_id,
            TaskInstance.state,
        )
        .join(
            TaskInstance,
            (TaskInstance.dag_id == DagRun.dag_id) & (TaskInstance.run_id == DagRun.run_id),
            isouter=True,
        )
        .where(wanted)
    )
    try:
        with create_session() as session:
            rows = session.execute(query).all()
    except SQLAlchemyError as error:
        log.warning("Airflow's runs cannot be read: %s", type(error).__name__)
        return {}
    tasks: dict[str, dict[str, str]] = {}
    runs = {}
    for dag_id, run_id, state, at, task, how in rows:
        runs[dag_id] = (run_id, str(state), at)
        tasks.setdefault(dag_id, {})[str(task)] = str(how)
    return {
        dag_id: LastRun(
            dag_id,
            run_id,
            "skipped" if set(tasks[dag_id].values()) == {"skipped"} else state,
            at,
            tuple(sorted(name for name, how in tasks[dag_id].items() if how == "failed")),
        )
        for dag_id, (run_id, state, at) in runs.items()
    }
