"""The section ``gates``: what a candidate must be able to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from airloop.contracts import Contract
from airloop.errors import SpecError
from airloop.fields import FUNCTION_PATTERN, ColumnName, Number, Whole
from airloop.issues import KeyPath, SpecIssue, refuse, value_at
from airloop.plugins.gate import STANDING, OwnGate
from airloop.plugins.metric import MetricName, Task, part_of, parts_of, standard, tasks_of
from airloop.plugins.registry import GATES, METRICS, names
from airloop.plugins.spec import is_frozen, name_issues, rules
from airloop.specs.sections.outputs import goal_of, output_names

Data = Mapping[str, Any]
#: Of a hundred classes the first few show what a bound may be called.
SHOWN: Final = 3


class Threshold(Contract):
    """A bound on one metric."""

    min: Number | None = None
    max: Number | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Threshold:
        if self.min is None and self.max is None:
            raise ValueError("needs min, max or both")
        return self


def _bound(name: str, info: ValidationInfo) -> str:
    # Which of several outputs a bound is of, the rules tell, which know what is declared.
    if is_frozen(info) or re.match(FUNCTION_PATTERN, name) or _of_some(name):
        return name
    refuse(name_issues(METRICS, name))
    return name


def _of_some(name: str) -> bool:
    return any(name.startswith(f"{metric}_") for metric in names(METRICS))


#: What is bounded: a metric, or ``<metric>_<name>`` of one of several outputs.
BoundName = Annotated[str, AfterValidator(_bound)]


class GatesSpec(Contract):
    """The gates: all on; a figure can be moved, no gate can be taken out."""

    primary: MetricName
    absolute: dict[BoundName, Threshold] = Field(min_length=1)
    #: The candidate must beat the trivial baseline by this much of the primary metric.
    baseline_margin: Number = Field(default=0.02, ge=0)
    #: ``costly``: a swap is work, so the candidate must be better than the champion beyond chance; ``free``: it must not
    #: be clearly worse.
    swap: Literal["costly", "free"] = "costly"
    #: costly: the champion must be beaten by this much, with this confidence, on days that neither learned from.
    champion_margin: Number = Field(default=0.0, ge=0)
    #: free: the champion may be better by this much.
    margin: Number = Field(default=0.01, ge=0)
    confidence: Number = Field(default=0.95, gt=0.5, lt=1)
    #: Read and not used: of the bootstrap that the days' jackknife replaced.
    resamples: Whole = Field(default=500, ge=100)
    #: Columns by whose values the worst slice is looked for. Not said: the inputs of few values; ``none``: no slice.
    slices: Literal["none"] | tuple[ColumnName, ...] = ()
    #: No slice may lose more than this of the primary metric against the champion.
    slice_margin: Number = Field(default=0.03, ge=0)
    min_slice_rows: Whole = Field(default=300, ge=1)
    min_holdout_rows: Whole = Field(default=1_000, ge=1)
    #: Gates beside the standing ones: the project's, as package.module:function, or {kind: …} of a plug-in.
    own: tuple[OwnGate, ...] = ()


def gate_rules(data: Data) -> Iterator[SpecIssue]:
    """What is wrong with the gates of a model's spec, and with the metrics that it names."""
    yield from _metrics(data)
    yield from _own_gates(data)


def _metrics(data: Data) -> Iterator[SpecIssue]:
    gates = data.get("gates")
    if not isinstance(gates, dict):
        return
    absolute, goal = gates.get("absolute"), goal_of(data)
    bounds = list(map(str, absolute)) if isinstance(absolute, dict) else []
    named: list[tuple[KeyPath, Any]] = [
        (("gates", "primary"), gates.get("primary")),
        (("tuning", "metric"), value_at(data, ("tuning", "metric"))),
    ]
    if goal is not None:
        yield from _bounds_of_none(goal, output_names(data), bounds)
    for path, metric in [*named, *((("gates", "absolute", key), key) for key in bounds)]:
        tasks = _tasks(metric)
        if goal is not None and tasks is not None and goal not in tasks:
            yield SpecIssue(path, f"is no metric of {goal}", metric, "", standard(goal))


def _bounds_of_none(
    goal: Task, outputs: tuple[str, ...], bounds: Iterable[str]
) -> Iterator[SpecIssue]:
    """The bounds on something that the model does not answer."""
    for key in bounds:
        known = key in names(METRICS) or ":" in key or part_of(goal, outputs, key) is not None
        if not known and _of_some(key):
            valid = (*standard(goal), *parts_of(goal, outputs[:SHOWN]))
            what = "is neither a metric nor one of an output that the model declares"
            yield SpecIssue(("gates", "absolute", key), what, key, "", valid)


def _tasks(metric: Any) -> tuple[str, ...] | None:
    """None where that is no metric, which the spec's own validation says, or a project's own."""
    try:
        return tasks_of(metric) if isinstance(metric, str) else None
    except SpecError:
        return None


def _own_gates(data: Data) -> Iterator[SpecIssue]:
    seen = set(STANDING)
    for index, own in enumerate(_listed(data)):
        path: KeyPath = ("gates", "own", index)
        for issue in rules(GATES, own):
            yield replace(issue, path=(*path, *issue.path))
        name = own.rpartition(":")[2] if isinstance(own, str) else value_at(own, ("kind",))
        if isinstance(name, str) and name in seen:
            what = "is one of the gates that every candidate passes" if name in STANDING else ""
            remedy = "leave it out" if what else "give one of them another name"
            yield SpecIssue(path, what or "two gates bear one name", name, remedy)
        seen.add(str(name))


def _listed(data: Data) -> list[Any]:
    own = value_at(data, ("gates", "own"))
    return list(own) if isinstance(own, list | tuple) else []
