"""What a DAG run asks for: its `conf`, its partition, its own name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

from airflow.sdk.exceptions import AirflowSkipException

from airloop.contracts import Contract
from airloop.errors import RequestError
from airloop.ledger import open_ledger
from airloop.partition import Partition, ended
from airloop.settings import load_settings
from airloop.specs import DatasetSpec, load_catalog
from airloop.specs.requests import IngestConf, MonitorConf, ScoreConf, TrainConf, parse_conf
from airloop.specs.spans import check_partition, newest
from airloop.vocabulary import LOOP, Cause, TriggerState
from airloop_operators.credentials import with_storage

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


def asker(context: Any) -> str:
    """Who began the run, for the ledger: the user whom Airflow knows; the loop where nobody did."""
    return str(getattr(context["dag_run"], "triggering_user_name", None) or LOOP)


def cause_of(context: Any) -> Cause | None:
    """The run's own reason to train: the schedule's, or a person's; None where an asset woke it."""
    kind = run_type(context)
    if kind.startswith("asset_"):
        return None
    return Cause.SCHEDULE if kind == "scheduled" else Cause.ON_DEMAND


def longest_life(context: Any) -> timedelta | None:
    """How long Airflow lets the run live; None where its DAG does not say."""
    return getattr(context.get("dag"), "dagrun_timeout", None)


def end_claim(model: str, context: Any) -> None:
    """A run of a training ended without a model: its reason to train is in flight no longer.

    ``on_failure_callback`` of a DAG, which Airflow calls for whatever killed the run, once no retry is left. A trigger
    that no one finishes would hold back every retraining of the model.
    """
    run = f"{context['dag'].dag_id}/{context['run_id']}"
    open_ledger(load_settings()).finish_claimed(model, run, TriggerState.FAILED)


def task_name(context: Any) -> str:
    """Who holds a fence: this very attempt."""
    return f"{run_name(context)}/{context['ti'].task_id}#{context['ti'].try_number}"


def partitions_of(context: Any, dataset: DatasetSpec) -> tuple[str, ...]:
    """The partitions an ingest run is about: those of its ``conf``, else its own.

    :raises RequestError: if one is none of the dataset's
    :raises AirflowSkipException: if none ended since the run before
    """
    keys = conf_of(context, IngestConf).partitions(dataset) or own_partitions(context, dataset)
    for key in (keys[0], keys[-1]):
        check_partition(dataset, key, datetime.now(UTC))
    return keys


def earlier_partitions(context: Any, dataset: DatasetSpec) -> tuple[str, ...]:
    """The partitions that a run of the schedule looks at again: those of its dataset's ``recheck`` before its own.

    :raises AirflowSkipException: if a person or a backfill began the run, or nothing of the dataset is that young
    """
    if run_type(context) != "scheduled":
        raise AirflowSkipException("only a run of the schedule looks again; a range asks by hand")
    own = set(_ended(context, dataset, by_hand=False))
    current = dataset.partition_at(_interval(context)[1])
    last = current.before(1)
    window = current.before(dataset.rechecked + len(own)).through(last)
    found = [one for one in window if one not in own and _has(dataset, one)]
    if not found:
        raise AirflowSkipException(f"{dataset.name} has nothing as young as recheck says")
    return tuple(str(one) for one in found)


def moment_of(context: Any) -> dict[str, str]:
    """The moment as of which a training run reads the lake, as its steps' requests have it; empty for now."""
    # Of this key alone: the steps stand in DAGs of the project's own, too, whose conf has other keys.
    said = (context["dag_run"].conf or {}).get("as_of")
    asked = parse_conf(TrainConf, {"as_of": said}).as_of if said is not None else None
    return {"as_of": asked.isoformat()} if asked is not None else {}


def day_of(context: Any, conf: type[MonitorConf | ScoreConf], model: str) -> str:
    """The partition a run over one model is about: that of its ``conf``, else the newest of its own.

    :raises RequestError: if it is none of the dataset's
    :raises AirflowSkipException: if none ended since the run before
    """
    dataset = load_catalog().pair(model)[1]
    asked = conf_of(context, conf).partition
    key = asked or own_partitions(context, dataset, lambda: _newest_there(dataset))[-1]
    check_partition(dataset, key, datetime.now(UTC))
    return key


def own_partitions(
    context: Any, dataset: DatasetSpec, there: Callable[[], str | None] = lambda: None
) -> tuple[str, ...]:
    """A run's partitions: the one its key names, else those that ended in its data interval, whatever the cron.

    So every partition is asked for once, and none that still goes on. A run by hand of which neither says anything is
    about the newest: its form opens with the present moment for its date, which says nothing of a dataset that ended
    years ago. A delivery is named by the moment of its run.

    :param there: the newest that a run by hand can be about; without an answer it is the last one that is over
    :raises RequestError: if a scheduled run has no interval, or an empty one: a range filter over it would select
        nothing, and an empty frame passes most expectations
    :raises AirflowSkipException: if no partition of the dataset ended in it
    """
    if key := context["dag_run"].partition_key:
        return (str(dataset.partition(str(key))),)
    by_hand = run_type(context) in _BY_HAND
    if not dataset.cadence.timed:
        known = there() if by_hand else None
        moment = context.get("data_interval_end") or context["dag_run"].run_after
        return (known or str(dataset.partition_at(moment)),)
    if own := _ended(context, dataset, by_hand):
        return tuple(str(one) for one in own)
    if by_hand:
        return (there() or str(newest(dataset, datetime.now(UTC))),)
    start, end = _interval(context)
    over = dataset.end is not None and end.date() > dataset.end
    why = f": it ended on {dataset.end}" if over else ""
    raise AirflowSkipException(
        f"no {dataset.cadence} of {dataset.name} ended between {start} and {end}{why}"
    )


def last_ended(context: Any, dataset: DatasetSpec) -> str | None:
    """The newest partition that ended in a scheduled run's interval; None where none did."""
    if not dataset.cadence.timed or context.get("data_interval_start") is None:
        return None
    return max(map(str, _ended(context, dataset, by_hand=False)), default=None)


def _ended(context: Any, dataset: DatasetSpec, by_hand: bool) -> list[Partition]:
    """The dataset's partitions that ended in the run's interval; by hand also the one before its date."""
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    if by_hand and start is None:
        return []
    if by_hand and start == end:
        found = [dataset.partition_at(start).before(1)]
    else:
        found = ended(*_interval(context), dataset.cadence, dataset.timezone)
    if by_hand:
        last = newest(dataset, datetime.now(UTC))
        found = [one for one in found if one <= last]
    return [one for one in found if _has(dataset, one)]


def _has(dataset: DatasetSpec, one: Partition) -> bool:
    """Whether a partition lies between the dataset's start and its end."""
    last_day = dataset.end or date.max
    return one.days[1] > dataset.start and one.days[0] <= last_day


def _interval(context: Any) -> tuple[datetime, datetime]:
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
            remedy="give the DAG a CronDataIntervalTimetable",
        )
    return start, end


def _newest_there(dataset: DatasetSpec) -> str | None:
    """The newest partition in the lake."""
    from airloop.data.lake.lake import Lake

    lake = Lake(with_storage(load_settings()))
    return max(lake.partitions(dataset.name), default=None)
