"""What must hold of the outputs that a model's spec declares, and of the keys that go with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airloop.issues import KeyPath, SpecIssue, value_at
from airloop.plugins.registry import TRAINERS, load
from airloop.plugins.spec import name_issues
from airloop.plugins.trainer import OutputKind
from airloop.specs.sections.outputs import KEYS, level_name


def output_rules(data: Mapping[str, Any]) -> Iterator[SpecIssue]:
    """What is wrong with the outputs of a model's spec, and with the keys that do not go with them."""
    yield from _targets(data)
    for key, (task, _) in KEYS.items():
        declared = value_at(data, ("outputs", key))
        if not isinstance(declared, list | tuple | Mapping) or not declared:
            continue
        if isinstance(declared, Mapping):
            yield from _unjudged(declared)
        else:
            yield from _twice(key, declared)
        if key == "quantiles" and isinstance(declared, list | tuple):
            yield from _falling(declared)
        if data.get("task") in {"classification", "regression"} - {task}:
            what, remedy = f"{key} are of a {task}", f"set task: {task}"
            yield SpecIssue(("outputs", key), what, None, remedy)
        yield from _unmade(data, OutputKind(key))
        if data.get("segments") is not None:
            what = "models of segments answer one number"
            yield SpecIssue(("segments",), what, None, "leave out segments, or outputs")


def _targets(data: Mapping[str, Any]) -> Iterator[SpecIssue]:
    """A truth is known from one column, or from one for each of several values and those of a vector."""
    path: KeyPath = ("target", "column")
    column, values = value_at(data, path), value_at(data, ("outputs", "values"))
    several = values or value_at(data, ("outputs", "vector"))
    if column is None and not several and isinstance(data.get("target"), Mapping):
        yield SpecIssue(path, "is missing", None, "name the column that tells what came true")
    if column is not None and several:
        told = "each of outputs.values names a column" if values else "outputs.vector names columns"
        what = f"{told} of its own"
        yield SpecIssue(path, what, column, "leave it out")


def _unjudged(vector: Mapping[str, Any]) -> Iterator[SpecIssue]:
    """A vector is judged against one that came true."""
    path: KeyPath = ("outputs", "vector", "columns")
    columns, length = vector.get("columns"), vector.get("length")
    if not columns:
        what = "a vector without a truth cannot be judged, so that none is delivered"
        remedy = "name the columns that tell what came true, with label a function that makes the vector of them"
        yield SpecIssue(path, what, None, remedy)
    elif (
        isinstance(columns, list | tuple) and vector.get("label") is None and len(columns) != length
    ):
        what = f"are not the {length} numbers of the vector"
        remedy = (
            "name as many, in their order, or with label the function that makes the vector of them"
        )
        yield SpecIssue(path, what, len(columns), remedy)


def target_paths(data: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Where a model's spec, as plain data, names the columns that its truth is known from."""
    if isinstance(column := value_at(data, ("target", "column")), str):
        yield ("target", "column"), column
    values = value_at(data, ("outputs", "values"))
    for place, one in enumerate(values if isinstance(values, list | tuple) else ()):
        if isinstance(column := value_at(one, ("column",)), str):
            yield ("outputs", "values", place, "column"), column
    columns = value_at(data, ("outputs", "vector", "columns"))
    for place, column in enumerate(columns if isinstance(columns, list | tuple) else ()):
        if isinstance(column, str):
            yield ("outputs", "vector", "columns", place), column


def _unmade(data: Mapping[str, Any], kind: OutputKind) -> Iterator[SpecIssue]:
    """The trainers that are named and make none of these; no word of one that there is not."""
    named: list[tuple[KeyPath, Any]] = [
        (("training", "trainer"), value_at(data, ("training", "trainer")))
    ]
    for index, one in enumerate(data.get("algorithms") or ()):
        named.append((("algorithms", index, "trainer"), value_at(one, ("trainer",))))
    for path, name in named:
        known = isinstance(name, str) and not name_issues(TRAINERS, name)
        if known and kind not in load(TRAINERS, str(name)).outputs:
            remedy = "leave outputs out, or name a trainer that makes them"
            yield SpecIssue(path, f"trainer {name} makes no {kind}", name, remedy)


def _twice(key: str, declared: list[Any] | tuple[Any, ...]) -> Iterator[SpecIssue]:
    seen: set[str] = set()
    for index, one in enumerate(declared):
        number = isinstance(one, int | float)
        if isinstance(one, Mapping):
            one = value_at(one, ("name",)) or object()
        # The lake's format takes names that differ only in capital letters for one.
        name = level_name(one) if number else str(one).casefold()
        if name in seen:
            path = ("outputs", key, index)
            yield SpecIssue(path, "the output is declared twice", one, "leave one out")
        seen.add(name)


def _falling(levels: list[Any] | tuple[Any, ...]) -> Iterator[SpecIssue]:
    numbers = [one if isinstance(one, int | float) else None for one in levels]
    for index in range(1, len(numbers)):
        before, one = numbers[index - 1], numbers[index]
        if before is not None and one is not None and one < before:
            path = ("outputs", "quantiles", index)
            yield SpecIssue(path, f"stands behind {before:g}", one, "let the levels rise")
