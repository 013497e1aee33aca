"""What a dataset's cadence asks of its other keys, and of the spans that its models' specs say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airloop.durations import spanned
from airloop.issues import KeyPath, SpecIssue, value_at
from airloop.partition import Cadence
from airloop.specs.sections.days import HOLDOUT_DAYS, WINDOW_DAYS, cadence_in, window_and_holdout

Data = Mapping[str, Any]
#: Of which type the partition column may be: what is finer than a day needs a time.
_TYPES = {
    Cadence.HOUR: ("timestamp",),
    Cadence.DAY: ("date",),
    Cadence.WEEK: ("date", "timestamp"),
    Cadence.MONTH: ("date", "timestamp"),
}
#: Each span, with the key that says it in days, and how many days where neither is said.
_SPANS: Mapping[tuple[str, str], tuple[str, int]] = {
    ("training", "window"): ("window_days", WINDOW_DAYS),
    ("training", "holdout"): ("holdout_days", HOLDOUT_DAYS),
    ("monitoring", "window"): ("window_days", 1),
    ("retraining", "cooldown"): ("cooldown_days", 7),
    ("target", "delay"): ("delay_days", 1),
}


def cadence_rules(data: Data, columns: Data) -> Iterator[SpecIssue]:
    """A dataset's partition column, query and keys beside its cadence."""
    cadence = cadence_in(data)
    if cadence is None:
        return
    path, name = ("partition_column",), data.get("partition_column")
    if not cadence.timed:
        if name is not None:
            what = "a snapshot is delivered whole: no column of it says when"
            yield SpecIssue(path, what, name, "leave it out, or name another cadence")
        if data.get("recheck") is not None:
            what = "a snapshot is delivered whole: a correction is the next delivery"
            yield SpecIssue(("recheck",), what, data["recheck"], "leave it out")
        return
    if name is None:
        remedy = f"name the column that says in which {cadence} a row was"
        yield SpecIssue(path, "a required key is missing", None, remedy)
    column = columns.get(name) if isinstance(name, str) else None
    if isinstance(name, str) and columns and column is None:
        yield SpecIssue(path, "no such column", name, "", tuple(map(str, columns)))
    kind = column.get("type") if isinstance(column, Mapping) else None
    if isinstance(kind, str) and kind not in _TYPES[cadence]:
        valid = " or ".join(_TYPES[cadence])
        what = f"the partition column must be of type {valid}; {name} is of type {kind}"
        yield SpecIssue(path, what, name, f"one partition is one {cadence}")
    query = value_at(data, ("source", "query"))
    if isinstance(query, str) and ":start" not in query:
        what = "the query must use the parameters :start and :end and no others"
        remedy = "write: WHERE day >= :start AND day < :end"
        yield SpecIssue(("source", "query"), what, None, remedy)


def span_rules(model: Data, dataset: Data) -> Iterator[SpecIssue]:
    """A span said twice, one that a delivery has no use for, and a holdout that leaves nothing of its window."""
    cadence = cadence_in(dataset)
    for (section, key), (days, default) in _SPANS.items():
        # A spec that was read has every default: only another number was written by somebody.
        written = value_at(model, (section, days)) not in (None, default)
        if value_at(model, (section, key)) is not None and written:
            what = f"says what {section}.{days} says, too"
            yield SpecIssue(
                (section, key), what, value_at(model, (section, key)), "leave one of them out"
            )
    if cadence is None:
        return
    if not cadence.timed:
        path: KeyPath = ("training", "half_life")
        if (span := value_at(model, path)) is not None:
            yield SpecIssue(path, "the rows of a delivery are of one age", span, "leave it out")
        return
    window, holdout = (
        _partitions(model, "training", key, cadence) for key in ("window", "holdout")
    )
    both = window_and_holdout(model)
    told = both is not None and both[1] >= both[0]  # by the model's own rules, without its dataset
    if not told and window is not None and holdout is not None and holdout >= window:
        what = f"must be smaller than training.window: {window} {cadence}s"
        path = ("training", "holdout")
        yield SpecIssue(path, what, f"{holdout} {cadence}s", "raise training.window")


def _partitions(model: Data, section: str, key: str, cadence: Cadence) -> int | None:
    days, default = _SPANS[(section, key)]
    said = value_at(model, (section, key))
    if said is None:
        number = value_at(model, (section, days))
        number = default if number is None else number
        said = f"{number}d" if isinstance(number, int) and number else 0
    try:
        return spanned(said, cadence)
    except (TypeError, ValueError):  # no span: told by its own check
        return None
