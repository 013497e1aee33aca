"""What Airflow's own database says of the stubs: asked by its servers, which may, and by no task."""

from __future__ import annotations

from airloop.projects.absence import Parsed
from airloop.projects.stubs import STUBS


def parsed(bundle: str | None = None) -> Parsed:
    """The DAGs that can run, the import errors of stubs, and since when a DAG processor is at work.

    :param bundle: whose stubs; those of every bundle without it
    """
    from airflow.jobs.job import Job
    from airflow.models.dag import DagModel
    from airflow.models.errors import ParseImportError
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    dags = select(DagModel.dag_id, DagModel.last_parsed_time).where(~DagModel.is_stale)
    errors = select(ParseImportError.filename, ParseImportError.stacktrace).where(
        ParseImportError.filename.startswith(f"{STUBS}/")
    )
    if bundle is not None:
        dags = dags.where(DagModel.bundle_name == bundle)
        errors = errors.where(ParseImportError.bundle_name == bundle)
    began = select(func.max(Job.start_date)).where(
        Job.job_type == "DagProcessorJob", Job.state == "running"
    )
    with create_session() as session:
        at = session.scalar(began)
        return Parsed(
            {name: time.timestamp() if time else 0.0 for name, time in session.execute(dags)},
            {name: text or "" for name, text in session.execute(errors)},
            at.timestamp() if at else 0.0,
        )
