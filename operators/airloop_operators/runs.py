"""What a DAG run asks for: its `conf`, its partition, its own name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from airflow.sdk.exceptions import AirflowSkipException

from airloop.contracts import Contract
from airloop.errors import RequestError
from airloop.ledger import open_ledger
from airloop.settings import load_settings
from airloop.specs import DatasetSpec, load_catalog
from airloop.specs.requests import IngestConf, MonitorConf, ScoreConf, parse_conf
from airloop.specs.spans import check_day, newest_day
from airloop.storage.options import with_credentials
from airloop.vocabulary import TriggerOutcome
from airloop_operators.credentials import storage_credentials

ConfT = TypeVar("ConfT", bound=Contract)
#: The types of runs that somebody asked for, in Airflow's own words.
_BY_HAND = frozenset({"manual", "operator_triggered"})


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

    :raises RequestError: if a day is none of the dataset's
    :raises AirflowSkipException: if the schedule goes on after the dataset's end
    """
    days = conf_of(context, IngestConf).partitions() or (own_partition(context, dataset),)
    for day in days:
        check_day(dataset, day, datetime.now(UTC))
    return days


def day_of(context: Any, conf: type[MonitorConf | ScoreConf], model: str) -> str:
    """The day a run over one model is about: that of its ``conf``, else its own partition.

    :raises RequestError: if the day is none of the dataset's
    :raises AirflowSkipException: if the schedule goes on after the dataset's end
    """
    dataset = load_catalog().pair(model)[1]
    asked = conf_of(context, conf).partition
    day = asked or own_partition(context, dataset, lambda: _newest_there(dataset))
    check_day(dataset, day, datetime.now(UTC))
    return day


def own_partition(
    context: Any, dataset: DatasetSpec, newest: Callable[[], str | None] = lambda: None
) -> str:
    """The run's partition that its timetable names; a schedule that goes on after the dataset's end skips.

    A run by hand without one is about the newest day: its form opens with the present moment for its date, which says
    nothing of a dataset that ended years ago.

    :param newest: the newest day that such a run can be about; without an answer it is the last one that is over
    :raises RequestError: if there is none
    :raises AirflowSkipException: if the dataset has ended before
    """
    last = newest_day(dataset, datetime.now(UTC))
    if run_type(context) in _BY_HAND:
        day = _partition_by_hand(context)
        return day if day is not None and day <= last else newest() or last
    day = _timetables_partition(context)
    if (
        run_type(context) == "scheduled"
        and dataset.end is not None
        and day > dataset.end.isoformat()
    ):
        raise AirflowSkipException(f"{dataset.name} ended on {dataset.end}: there is no {day}")
    return day


def _partition_by_hand(context: Any) -> str | None:
    """What the run's key or date say; a date alone means the day before, which is over then, as on a schedule."""
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    if context["dag_run"].partition_key or (start is not None and end is not None and start < end):
        return _timetables_partition(context)
    if start is None:
        return None
    day: str = (start.astimezone(context["dag"].timezone) - timedelta(days=1)).strftime("%Y-%m-%d")
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


def _newest_there(dataset: DatasetSpec) -> str | None:
    """The newest day in the lake."""
    from airloop.data.lake.lake import Lake

    settings = load_settings()
    options = with_credentials(settings.storage_options, storage_credentials(settings))
    lake = Lake(settings.model_copy(update={"storage_options": options}))
    return max(lake.partitions(dataset.name), default=None)
