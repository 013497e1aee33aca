"""`airloop reconcile`: what was left behind by runs that are no more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from airloop.console import err, out
from airloop.errors import PermanentError
from airloop.settings import load_settings

if TYPE_CHECKING:
    from airloop.devstack.airflow import Airflow

#: The DAG, its tasks, and what is said where one found nothing. The second is there where a model runs as pods.
_DAGS = {
    "airloop_wake": {
        "wake": "no reason to train waits",
        "reconcile_mlflow": "MLflow says what the ledger says",
    },
    "airloop_reconcile": {"reconcile": "every pod and Job has its task"},
}


def reconcile_command(
    grace_minutes: Annotated[
        int,
        typer.Option(min=0, max=1440, help="How long what is found is only named; 0 acts at once."),
    ] = 10,
) -> int:
    """Wake the trainings whose reasons nobody claimed, let go what ended runs have left, and put MLflow right.

    What a hand has done in MLflow (aliases, versions, runs, experiments, models) is named and undone where it can be.
    Also ends the pods and Jobs that run without a living task. What is younger than the grace is left alone.
    """
    from airloop.devstack.airflow import Airflow

    with Airflow.connect(load_settings()) as airflow:
        there = airflow.dag_ids()
        for dag, tasks in _DAGS.items():
            if dag in there or dag == "airloop_wake":
                for line in _look(airflow, dag, tasks, grace_minutes):
                    out.print(line, soft_wrap=True)
    return 0


def _look(
    airflow: Airflow, dag: str, tasks: Mapping[str, str], grace_minutes: int
) -> Iterator[str]:
    from airloop.devstack.layout import current_layout
    from airloop.devstack.pulse import Pulse

    with err.status(f"{dag} looks"):
        run = airflow.trigger(dag, {"grace_minutes": grace_minutes}, note="airloop reconcile")
        if (
            airflow.wait(dag, run, patience=600, pulse=Pulse(airflow, current_layout()))
            != "success"
        ):
            raise PermanentError(airflow.failure(dag, run), where=f"{dag}, run {run}")
    for task, nothing in tasks.items():
        yield from airflow.xcom(dag, run, task) or [nothing]
