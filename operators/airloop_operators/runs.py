"""What a DAG run asks for: its `conf`, its partition, its own name."""

from __future__ import annotations

from typing import Any, TypeVar

from airflow.sdk.exceptions import AirflowSkipException

from airloop.contracts import Contract
from airloop.errors import RequestError
from airloop.ledger import open_ledger
from airloop.settings import load_settings
from airloop.specs import DatasetSpec, load_catalog
from airloop.specs.requests import IngestConf, MonitorConf, ScoreConf, parse_conf
from airloop.vocabulary import TriggerOutcome

ConfT = TypeVar("ConfT", bound=Contract)


def conf_of(context: Any, model: type[ConfT]) -> ConfT:
    """The run's ``conf``, checked.

    :raises RequestError: if a key is unknown or a value wrong
    """
    return parse_conf(model, context["dag_run"].conf)


def run_name(context: Any) -> str:
    """The run's name in the ledger: the same for every attempt of its tasks."""
    return f"{context['dag_run'].dag_id}/{context['dag_run'].run_id}"


def run_type(context: Any) -> str:
    """How the run came to be, in Airflow's own word, such as ``scheduled`` or ``asset_triggered``."""
    kind = context["dag_run"].run_type
    # The task SDK's enum does not print as its value, Airflow core's does.
    return str(getattr(kind, "value", kind))


def end_claim(model: str, context: Any) -> None:
    """A run of a training ended without a model: its reason to train is in flight no longer.

    ``on_failure_callback`` of a DAG, which Airflow calls for whatever killed the run, once no retry is left. A trigger
    that no one finishes would hold back every retraining of the model.
    """
    run = f"{context['dag'].dag_id}/{context['run_id']}"
    open_ledger(load_settings()).finish_claimed(model, run, TriggerOutcome.FAILED)


def task_name(context: Any) -> str:
    """Who holds a fence: this very attempt."""
    return f"{run_name(context)}/{context['ti'].task_id}#{context['ti'].try_number}"


def partitions_of(context: Any, dataset: DatasetSpec) -> tuple[str, ...]:
    """The days an ingest run is about: those of its ``conf``, else its own partition.

    :raises RequestError: if neither names one
    :raises AirflowSkipException: if the schedule goes on after the dataset's end
    """
    return conf_of(context, IngestConf).partitions() or (own_partition(context, dataset),)


def own_partition(context: Any, dataset: DatasetSpec) -> str:
    """The run's partition that its timetable names; a schedule that goes on after the dataset's end skips.

    :raises RequestError: if there is none
    :raises AirflowSkipException: if the dataset has ended before
    """
    day = _timetables_partition(context)
    if (
        run_type(context) == "scheduled"
        and dataset.end is not None
        and day > dataset.end.isoformat()
    ):
        raise AirflowSkipException(f"{dataset.name} ended on {dataset.end}: there is no {day}")
    return day


def _timetables_partition(context: Any) -> str:
    """The run's partition key, else the day on which its data interval begins.

    :raises RequestError: if there is none, or the interval is empty: a range filter over it would select nothing,
        and an empty frame passes most expectations
    """
    if key := context["dag_run"].partition_key:
        return str(key)
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    if start is None or end is None:
        raise RequestError(
            "the run names no partition",
            value=context["dag_run"].run_id,
            remedy='trigger it with {"partition": "YYYY-MM-DD"}',
        )
    if start >= end:
        raise RequestError(
            "the run's data interval is empty",
            value=str(start),
            remedy="give the DAG a CronDataIntervalTimetable or a CronPartitionTimetable",
        )
    day: str = start.astimezone(context["dag"].timezone).strftime("%Y-%m-%d")
    return day


def day_of(context: Any, conf: type[MonitorConf | ScoreConf], model: str) -> str:
    """The day a run over one model is about: that of its ``conf``, else its own partition.

    :raises RequestError: if neither names one
    :raises AirflowSkipException: if the schedule goes on after the dataset's end
    """
    catalog = load_catalog()
    asked = conf_of(context, conf).partition
    return asked or own_partition(context, catalog.pair(model)[1])
