"""What must hold between the keys of a spec, and between a model and its dataset.

The rules read plain data and pass over what has the wrong shape (pydantic reports that), so
`airloop check` can tell everything at once. The specs' own validators use the same rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from airloop.issues import KeyPath, SpecIssue, value_at
from airloop.plugins.executor import compute_issues
from airloop.plugins.registry import SOURCES
from airloop.plugins.spec import rules
from airloop.plugins.trainer import trainer_issues
from airloop.specs.sections.arguments import argument_rules
from airloop.specs.sections.cadence import cadence_rules, span_rules
from airloop.specs.sections.columns import column_rules, input_types, taken_name
from airloop.specs.sections.days import (
    DATASET_SCHEDULES,
    MODEL_SCHEDULES,
    tick_rules,
    window_and_holdout,
)
from airloop.specs.sections.declared import output_rules, target_paths
from airloop.specs.sections.expectations import (
    COLUMN_ARGUMENTS,
    COLUMN_LIST_ARGUMENTS,
    COMMON,
    names,
    signature,
)
from airloop.specs.sections.gating import gate_rules
from airloop.specs.sections.resources import compute_rules
from airloop.specs.sections.segments import segment_column_rules, segment_rules
from airloop.specs.sections.splitting import split_rules
from airloop.specs.sections.streaming import stream_pair_rules, stream_rules
from airloop.specs.sections.tuning import tuning_rules
from airloop.types.registry import written

Data = Mapping[str, Any]
#: Where a model lists columns of its dataset.
_COLUMNS: Final[tuple[KeyPath, ...]] = (("inputs",), ("gates", "slices"), ("target", "reads"))


def dataset_rules(data: Data) -> list[SpecIssue]:
    """What is wrong within one dataset's spec."""
    columns = _columns(data)
    found = [
        *taken_name(data.get("name")),
        *_unknown_columns(data, ("keys",), columns),
        *_twice(data, ("keys",)),
        *column_rules(columns, data.get("partition_column"), data.get("keys")),
        *cadence_rules(data, columns),
        *_source(data),
        *tick_rules(data, data, DATASET_SCHEDULES),
    ]
    start, end = data.get("start"), data.get("end")
    if isinstance(start, str) and isinstance(end, str) and end < start:
        found.append(SpecIssue(("end",), f"lies before start {start}", end))
    for index, item in enumerate(_list(data.get("expectations"))):
        if isinstance(item, dict):
            found += _expectation(item, ("expectations", index), columns)
    return found


def model_rules(data: Data) -> list[SpecIssue]:
    """What is wrong within one model's spec."""
    found = [issue for path in _COLUMNS for issue in _twice(data, path)]
    inputs = _list(data.get("inputs"))
    for target in dict.fromkeys(column for _, column in target_paths(data)):
        if target in inputs:
            path = ("inputs", inputs.index(target))
            found.append(SpecIssue(path, "the target is among the inputs", target, "leave it out"))
    event_time = value_at(data, ("serving", "event_time"))
    if isinstance(event_time, str) and event_time not in inputs:
        found.append(_unknown(("serving", "event_time"), event_time, inputs, "input"))
    if (there := window_and_holdout(data)) is not None and there[1] >= there[0]:
        what = f"must be smaller than training.window_days ({there[0]})"
        found.append(SpecIssue(("training", "holdout_days"), what, there[1]))
    found += compute_rules(data)
    for issue in compute_issues(data.get("compute")):
        found.append(replace(issue, path=("compute", *issue.path)))
    found += [*tuning_rules(data), *segment_rules(data), *stream_rules(data), *output_rules(data)]
    return [*found, *trainer_issues(data.get("training")), *gate_rules(data)]


def pair_rules(model: Data, dataset: Data) -> list[SpecIssue]:
    """What is wrong in a model's spec, seen beside its dataset's."""
    columns = _columns(dataset)
    if not columns:
        return []
    found = [
        *(issue for path in _COLUMNS for issue in _unknown_columns(model, path, columns)),
        *(
            _unknown(path, name, columns, "column")
            for path, name in target_paths(model)
            if name not in columns
        ),
    ]
    targets = {column for _, column in target_paths(model)}
    late = known_too_late(columns, {name: value_at(columns, (name, "known")) for name in columns})
    for path, name in _texts(model, ("inputs",)):
        if name in late and name not in targets:
            what = "the column is known only after the prediction: as an input it would be leakage"
            found.append(SpecIssue(path, what, name, "leave it out of inputs"))
    found += input_types(columns, model.get("inputs"))
    found += segment_column_rules(model, columns)
    found += tick_rules(model, dataset, MODEL_SCHEDULES)
    found += [*span_rules(model, dataset), *split_rules(model, dataset)]
    found += stream_pair_rules(model, dataset)
    event_time = value_at(model, ("serving", "event_time"))
    kind = written(columns.get(event_time)) if isinstance(event_time, str) else None
    if kind is not None and not kind.moment:
        what = f"a column of type {kind.name} tells no time"
        remedy = "name an input of type date or timestamp"
        found.append(SpecIssue(("serving", "event_time"), what, event_time, remedy))
    return found


def known_too_late(names: Iterable[str], known: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns that are known only after the prediction: as inputs they would be leakage.

    :param known: when each column is known
    """
    return tuple(name for name in names if known.get(name) == "after")


def _source(data: Data) -> Iterator[SpecIssue]:
    for issue in rules(SOURCES, data.get("source")):
        yield replace(issue, path=("source", *issue.path))


def _expectation(item: Data, path: KeyPath, columns: Data) -> Iterator[SpecIssue]:
    name, arguments = item.get("expect"), item.get("with", {})
    known = signature(name) if isinstance(name, str) else None
    if isinstance(name, str) and known is None:
        remedy = "see https://greatexpectations.io/expectations for all of them"
        yield SpecIssue((*path, "expect"), "no such expectation", name, remedy, names())
    if not isinstance(arguments, dict):
        return
    if item.get("severity") == "quarantine" and "column" not in arguments:
        what = "quarantine needs a column expectation: only those name the failing rows"
        yield SpecIssue((*path, "severity"), what, "quarantine", "use block or warn")
    if known is not None:
        valid = known.required | known.optional | COMMON
        for argument in arguments:
            if argument not in valid:
                where = (*path, "with", argument)
                what = f"{name} has no such argument"
                yield SpecIssue(where, what, argument, "", tuple(sorted(valid)))
        for argument in sorted(known.required - arguments.keys()):
            what = f"{name} needs this argument"
            yield SpecIssue((*path, "with", argument), what, None, f"add {argument}")
        taken = {name: value for name, value in arguments.items() if name in valid}
        yield from argument_rules(str(name), taken, columns, (*path, "with"))
    for argument in (*COLUMN_ARGUMENTS, *COLUMN_LIST_ARGUMENTS):
        yield from _unknown_columns(arguments, (argument,), columns, (*path, "with"))


def _unknown_columns(
    data: Data, path: KeyPath, columns: Data, prefix: KeyPath = ()
) -> Iterator[SpecIssue]:
    if path == ("gates", "slices") and value_at(data, path) == "none":
        return
    for at, name in _texts(data, path):
        if columns and name not in columns:
            yield _unknown((*prefix, *at), name, columns, "column")


def _unknown(path: KeyPath, name: str, valid: Iterable[Any], noun: str) -> SpecIssue:
    known = tuple(str(item) for item in valid)
    return SpecIssue(
        path, f"there is no such {noun}", name, "correct its spelling or add it", known
    )


def _twice(data: Data, path: KeyPath) -> Iterator[SpecIssue]:
    seen: set[str] = set()
    for at, name in _texts(data, path):
        if name in seen:
            yield SpecIssue(at, "stands twice", name, "leave one out")
        seen.add(name)


def _texts(data: Data, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """The text at a path, or the texts of the list at a path, each with its own path."""
    value = value_at(data, path)
    if isinstance(value, str):
        yield path, value
    for index, item in enumerate(_list(value)):
        if isinstance(item, str):
            yield (*path, index), item


def _columns(data: Data) -> Data:
    columns = data.get("columns")
    return columns if isinstance(columns, dict) else {}


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
