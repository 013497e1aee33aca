"""Days: of a training's window, those of them that the gates keep, and how often something may run on one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airloop.cron import times_a_day
from airloop.issues import KeyPath, SpecIssue, value_at
from airloop.partition import Cadence

WINDOW_DAYS = 60
HOLDOUT_DAYS = 14
#: Where a spec says when something runs. A run is about the partitions that ended, or trains on the newest.
DATASET_SCHEDULES: tuple[KeyPath, ...] = (("schedule",),)
MODEL_SCHEDULES: tuple[KeyPath, ...] = (
    ("training", "schedule"),
    ("monitoring", "schedule"),
    ("scoring", "when"),
)


def cadence_in(dataset: Mapping[str, Any]) -> Cadence | None:
    """The cadence a dataset's plain data names; None where it is none, which is told elsewhere."""
    said = dataset.get("cadence", Cadence.DAY.value)
    return Cadence(said) if said in {one.value for one in Cadence} else None


def window_and_holdout(model: Mapping[str, Any]) -> tuple[int, int] | None:
    """Both lengths in days as a spec has them; None where one is no number, or said as a span: told elsewhere."""
    training = model.get("training")
    training = training if isinstance(training, Mapping) else {}
    if training.get("window") not in {None, "auto"} or training.get("holdout") is not None:
        return None
    window = training.get("window_days")
    window = WINDOW_DAYS if window is None else window
    holdout = training.get("holdout_days", HOLDOUT_DAYS)
    return (window, holdout) if isinstance(window, int) and isinstance(holdout, int) else None


def training_days(model: Mapping[str, Any]) -> int | None:
    """How many days are left to train on; None where that cannot be said."""
    there = window_and_holdout(model)
    return there[0] - there[1] if there is not None else None


def tick_rules(
    data: Mapping[str, Any], dataset: Mapping[str, Any], places: tuple[KeyPath, ...]
) -> Iterator[SpecIssue]:
    """Expressions that tick more than once a day: the further ticks would be about a partition that was dealt with.

    Of a dataset of hours or of deliveries each tick may well be about one of its own.
    """
    cadence = cadence_in(dataset)
    if cadence in {None, Cadence.HOUR, Cadence.SNAPSHOT}:
        return
    for path in places:
        value = value_at(data, path)
        try:
            times = times_a_day(value) if isinstance(value, str) and value != "dataset" else 0
        except ValueError:  # no cron expression, which its field says
            continue
        if times > 1:
            what = f"ticks {times} times a day, but a partition is a {cadence}"
            yield SpecIssue(path, what, value, "let it tick once a day, for instance 0 6 * * *")
