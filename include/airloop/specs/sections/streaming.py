"""What goes with ``training.stream``: one fit, in one process, of rows in days."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airloop.issues import SpecIssue, value_at
from airloop.partition import Cadence

#: What would ask for all rows at once, or for the same rows otherwise, and what to do about each.
_NOT_WITH = {
    ("segments",): "a model of its own for each segment is fitted on rows in memory",
    ("tuning",): "a search fits on rows in memory",
    ("algorithms",): "algorithms compete on rows in memory",
    ("training", "half_life"): "rows of a stream all count alike",
}


def stream_rules(data: Mapping[str, Any]) -> Iterator[SpecIssue]:
    """What is wrong within a model's spec."""
    if value_at(data, ("training", "stream")) is not True:
        return
    for path, why in _NOT_WITH.items():
        if found := value_at(data, path):
            what = f"does not go with training.stream: {why}"
            yield SpecIssue(path, what, found, "leave one of the two out")
    processes = value_at(data, ("training", "processes"))
    if isinstance(processes, int) and processes > 1:
        what, remedy = "a stream is learned from by one process", "leave one of the two out"
        yield SpecIssue(("training", "processes"), what, processes, remedy)
    spans = [value_at(data, ("training", name)) for name in ("window", "window_days")]
    if "auto" in spans or not any(spans):
        what = "a stream's window is not chosen by trying several, each with all its rows in memory"
        remedy = "say training.window, such as 60d"
        yield SpecIssue(("training", "window"), what, "auto", remedy)


def stream_pair_rules(model: Mapping[str, Any], dataset: Mapping[str, Any]) -> Iterator[SpecIssue]:
    """The same beside the dataset."""
    cadence = dataset.get("cadence", Cadence.DAY.value)
    if value_at(model, ("training", "stream")) is True and cadence == Cadence.SNAPSHOT.value:
        what = "a delivery that holds all there is cannot be held out from as it streams"
        yield SpecIssue(("training", "stream"), what, True, "leave it out")
