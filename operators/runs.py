"""What a DAG run asks for: its `conf`, its partition, its own name."""

from __future__ import annotations

from typing import Any, TypeVar

from include.contracts import Contract
from include.errors import RequestError
from include.specs.requests import IngestConf, parse_conf

ConfT = TypeVar("ConfT", bound=Contract)


def conf_of(context: Any, model: type[ConfT]) -> ConfT:
    """The run's ``conf``, checked.

    :raises RequestError: if a key is unknown or a value wrong
    """
    return parse_conf(model, context["dag_run"].conf)


def run_name(context: Any) -> str:
    """The run's name in the ledger: the same for every attempt of its tasks."""
    return f"{context['dag_run'].dag_id}/{context['dag_run'].run_id}"


def task_name(context: Any) -> str:
    """Who holds a fence: this very attempt."""
    return f"{run_name(context)}/{context['ti'].task_id}#{context['ti'].try_number}"


def partitions_of(context: Any) -> tuple[str, ...]:
    """The days an ingest run is about: those of its ``conf``, else its own partition.

    :raises RequestError: if neither names one
    """
    return conf_of(context, IngestConf).partitions() or (own_partition(context),)


def own_partition(context: Any) -> str:
    """The partition that the timetable gave the run: its key, else the day on which its interval begins.

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
