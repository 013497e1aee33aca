"""What Airloop's own DAGs share: policies, forms and timetables."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import (
    AssetOrTimeSchedule,
    CronDataIntervalTimetable,
    Param,
    PartitionedAssetTimetable,
)

from airloop.contracts import Contract
from airloop.execution.executor import executor_of
from airloop.specs import DatasetSpec, ModelSpec
from airloop.specs.forms import form_fields
from airloop.specs.model import Level
from airloop.specs.sections.resources import GPU_POOL, HEAVY_POOL
from airloop_operators.assets import dataset_asset, retrain_asset
from airloop_operators.retrying import RETRYING

#: What a task may take beside its pod's own limits, in minutes: to begin, to read the last lines.
_MARGIN_MINUTES = 10
#: How a run may begin that trains or delivers: a backfill replays days, it must not replay deliveries.
NO_BACKFILL = ("manual", "scheduled", "asset_triggered", "operator_triggered")


def policy(owner: str, *, minutes: int, pool: str | None = None) -> dict[str, Any]:
    """``default_args``: who owns the tasks, how long they may take, when they are tried again."""
    return {
        "owner": owner,
        **RETRYING,
        "execution_timeout": timedelta(minutes=minutes),
        **({"pool": pool} if pool else {}),
    }


def lasting(*, minutes: int, tasks: int = 1, answers: int = 0) -> timedelta:
    """``dagrun_timeout``: how long a run may last, by which nothing that works is ended.

    A run that can never begin (its date lies in the future) would otherwise keep its place for ever, and all later
    ones out. A day more than the tasks may take: they wait for their pools.

    :param minutes: that the longest of its tasks may take at each try
    :param answers: how many answers of people it waits for, three days each
    """
    tries = 1 + int(RETRYING["retries"])
    return timedelta(days=1 + 3 * answers, minutes=minutes * tries * tasks)


def minutes_of(spec: ModelSpec, step: str, minutes: int) -> int:
    """What a try of a step may take: what its pods may, or ``minutes``."""
    limit: timedelta | None = place(spec, step).get("execution_timeout")
    return minutes if limit is None else int(limit.total_seconds() // 60)


def housekeeping(minutes: int, *, grace: int | None = None) -> dict[str, Any]:
    """What the DAGs that look after the loop itself share: one run at a time, of bounded length.

    :param grace: minutes that what they find may still right itself, as their form opens; None where nothing does
    """
    form = {}
    if grace is not None:
        field = Param(grace, type="integer", minimum=0, maximum=1440, title="Grace")
        form["grace_minutes"] = field
    return {
        "start_date": pendulum.datetime(2024, 1, 1, tz="UTC"),
        "catchup": False,
        "max_active_runs": 1,
        "dagrun_timeout": lasting(minutes=minutes),
        "is_paused_upon_creation": False,
        "params": form,
        "default_args": policy("airloop", minutes=minutes),
    }


def place(spec: ModelSpec, step: str) -> dict[str, Any]:
    """The pool and time limit of a heavy task, which follow from where its step runs.

    A process takes a slot of this machine; pods take as many as they have GPUs, and none where they have none.
    """
    resources = spec.resources
    if executor_of(spec.compute)[0].local or step not in resources.steps:
        return {"pool": HEAVY_POOL}
    minutes = resources.deadline_minutes + 2 * resources.pending_minutes + _MARGIN_MINUTES
    limit = {"execution_timeout": timedelta(minutes=minutes)}
    pods = spec.training.processes if step == "train" else 1
    gpus = resources.gpu * pods
    return limit | ({"pool": GPU_POOL, "pool_slots": gpus} if gpus else {})


def form(conf: type[Contract], dataset: DatasetSpec) -> dict[str, Param]:
    """The trigger form of a run's ``conf``, from the model that checks it."""
    return {name: Param(**field) for name, field in form_fields(conf, dataset.cadence).items()}


def start_of(dataset: DatasetSpec) -> pendulum.DateTime:
    """A DAG's ``start_date``: when the dataset begins.

    There is no ``end_date`` to match: Airflow leaves a task out of a run whose logical date lies beyond it, and the
    trigger form sends today's, so a run by hand over closed data would have no task and succeed. A schedule that goes
    on after the dataset's end skips (``airloop_operators.runs.own_partitions``).
    """
    start = dataset.start
    return pendulum.datetime(start.year, start.month, start.day, tz=dataset.timezone)


def each_interval(cron: str | None, timezone: str) -> CronDataIntervalTimetable | None:
    """A run at the end of each interval between two ticks; its partitions are those that ended in it.

    A partitioned timetable would name one key a tick: a weekly cron then loses six days of seven.
    """
    return None if cron is None else CronDataIntervalTimetable(cron, timezone=timezone)


def retraining(spec: ModelSpec, dataset: DatasetSpec) -> Any:
    """What starts a training: the retrain asset, a schedule beside it, or at level 0 only a person."""
    if spec.level is Level.MANUAL:
        return None
    assets = [retrain_asset(spec.name)]
    timetable = each_interval(spec.training.schedule, dataset.timezone)
    return AssetOrTimeSchedule(timetable=timetable, assets=assets) if timetable else assets


def scoring(spec: ModelSpec, dataset: DatasetSpec) -> Any:
    """What starts a batch: the dataset's partitions as they arrive, a schedule, or only a person."""
    return _whenever(spec.scoring.when, spec, dataset)


def monitoring(spec: ModelSpec, dataset: DatasetSpec) -> Any:
    """What has a night looked at, likewise."""
    return _whenever(spec.monitoring.schedule, spec, dataset)


def _whenever(when: str | None, spec: ModelSpec, dataset: DatasetSpec) -> Any:
    if spec.level is Level.MANUAL or when is None:
        return None
    if when == "dataset":
        return PartitionedAssetTimetable(assets=dataset_asset(dataset.name))
    return each_interval(when, dataset.timezone)
