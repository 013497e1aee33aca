"""Buttons on a task: its MLflow run, its Data Docs, its Evidently report, the service."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import attrs
from airflow.sdk import BaseOperatorLink

from airloop.settings import Settings

#: Where the plugin serves the reports' folder: a page opened over http may not follow a file:// link.
REPORTS_PATH = "/airloop/reports"


@attrs.define
class _Link(BaseOperatorLink):
    """A link that the operator found out while it ran; empty until then."""

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """What the operator noted under this link's name."""
        return str(getattr(operator, "found_links", {}).get(self.name, ""))


class MlflowRunLink(_Link):
    """The training run."""

    name = "MLflow run"


class DataDocsLink(_Link):
    """What Great Expectations found."""

    name = "Data Docs"


class DriftReportLink(_Link):
    """What Evidently shows of a night."""

    name = "Evidently report"


class ReplayLink(_Link):
    """What each way to decide would have been worth."""

    name = "Replay"


class TrainingRunLink(_Link):
    """The run that has the reason which this one would have trained for."""

    name = "Run that has it"


class ServiceLink(_Link):
    """The service's own page."""

    name = "Service"


def report_link(settings: Settings, uri: str | None) -> str:
    """The page under which the plugin shows a report; an http(s) URI as it is; nothing for anything else."""
    if not uri or uri.startswith(("http://", "https://")):
        return uri or ""
    root = settings.reports_uri.removeprefix("file://").rstrip("/")
    path = uri.removeprefix("file://").removeprefix(f"{root}/")
    return "" if path.startswith("/") or "://" in path else f"{REPORTS_PATH}/{quote(path)}"


def mlflow_link(settings: Settings, run_id: str) -> str:
    """The page of a run on the MLflow server, found by its id whatever experiment it is in."""
    return f"{settings.mlflow_uri.rstrip('/')}/#/runs/{run_id}" if run_id else ""


def run_link(run: str) -> str:
    """Airflow's page of a run, from its name in the ledger."""
    dag_id, _, run_id = run.partition("/")
    return f"/dags/{quote(dag_id)}/runs/{quote(run_id, safe='')}"
