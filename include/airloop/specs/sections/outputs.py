"""The section ``outputs``: what a model answers about a row, where that is more than one number."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, model_validator

from airloop.contracts import Contract
from airloop.fields import ColumnName, Number, Whole
from airloop.issues import KeyPath, SpecIssue, value_at
from airloop.plugins.metric import Task
from airloop.plugins.registry import TRAINERS, load
from airloop.plugins.spec import name_issues
from airloop.plugins.trainer import Output, OutputKind
from airloop.specs.sections.tuning import FunctionName

#: Of a class or a value: it names a column of the scores and a key of an answer, which every engine and language can write.
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,63}")
TASKS: Final[dict[str, Task]] = {"classification": "classification", "regression": "regression"}
#: What each key of the section is of, and what its answers are good for.
KEYS: Final[dict[str, tuple[str, Task]]] = {
    OutputKind.CLASSES: ("classification", "multiclass"),
    OutputKind.LABELS: ("classification", "labels"),
    OutputKind.QUANTILES: ("regression", "quantiles"),
    OutputKind.VALUES: ("regression", "values"),
    OutputKind.VECTOR: ("regression", "vector"),
}
#: More numbers than these would be most of the log, which names each.
MOST_NUMBERS: Final = 1024


def _output_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(
            "an output is named by letters, digits, _ and -, 63 at most; of classes let label(frame) return such names"
        )
    return name


_OutputName = Annotated[str, AfterValidator(_output_name)]
_Level = Annotated[Number, Field(gt=0, lt=1)]


def level_name(level: float) -> str:
    """What a quantile's number is called: ``q10`` of 0.1, ``q2_5`` of 0.025."""
    return f"q{level * 100:g}".replace(".", "_")


class ValueSpec(Contract):
    """One of several values. ``label`` computes its truth from the rows; without one ``column`` is taken as it is."""

    name: _OutputName
    #: What the truth is known from: it is no input, and its quality is watched.
    column: ColumnName
    #: The function of the module that makes numbers of the rows.
    label: FunctionName | None = None


class VectorSpec(Contract):
    """Numbers of one unit that say one thing together, such as a place or an embedding; their names are their places, from 0 on."""

    length: Annotated[Whole, Field(ge=2, le=MOST_NUMBERS)]
    #: What the truth is known from: no inputs, and their quality is watched.
    columns: tuple[ColumnName, ...] = ()
    #: The function of the module that makes a row of numbers of each row; without one the columns are the numbers.
    label: FunctionName | None = None


class OutputsSpec(Contract):
    """What is answered. Without this section it is one number: P(positive) of a classification, the value of a regression."""

    #: One probability a class; the label is the class's name.
    classes: Annotated[tuple[_OutputName, ...], Field(min_length=2)] | None = None
    #: The class itself, one of these; the label is the class's name.
    labels: Annotated[tuple[_OutputName, ...], Field(min_length=2)] | None = None
    #: The levels of a value's quantiles, rising; two are an interval.
    quantiles: Annotated[tuple[_Level, ...], Field(min_length=2)] | None = None
    #: Several values, each with a truth of its own.
    values: Annotated[tuple[ValueSpec, ...], Field(min_length=2)] | None = None
    #: A list of so many numbers.
    vector: VectorSpec | None = None

    @model_validator(mode="after")
    def _one(self) -> OutputsSpec:
        if sum(getattr(self, key) is not None for key in KEYS) != 1:
            raise ValueError(f"needs {' or '.join(KEYS)}, and one of them only")
        return self

    @property
    def kind(self) -> OutputKind:
        """Which of them it is."""
        return OutputKind(next(key for key in KEYS if getattr(self, key) is not None))

    @property
    def goal(self) -> Task:
        """What metrics and costs go by."""
        return KEYS[self.kind][1]

    @property
    def columns(self) -> tuple[str, ...]:
        """Of several values, and of a vector, the columns that their truths are known from."""
        if self.vector is not None:
            return self.vector.columns
        return tuple(dict.fromkeys(one.column for one in self.values or ()))

    @property
    def functions(self) -> tuple[str, ...]:
        """The functions of the module that make those truths."""
        named = (*(one.label for one in self.values or ()), self.vector and self.vector.label)
        return tuple(one for one in named if one)

    @property
    def answers(self) -> tuple[Output, ...]:
        """The same as a trainer is told."""
        numbered = range(self.vector.length if self.vector is not None else 0)
        names = (*(one.name for one in self.values or ()), *map(str, numbered))
        return _answers(self.kind, self.classes or self.labels or names, self.quantiles or ())


# Asked for each request.
@cache
def _answers(
    kind: OutputKind, named: tuple[str, ...], quantiles: tuple[Number, ...]
) -> tuple[Output, ...]:
    levels = tuple(float(level) for level in quantiles)
    names = named or tuple(map(level_name, levels))
    return (Output(kind=kind, names=names, shape=(len(names),), levels=levels),)


def goal_of(data: Mapping[str, Any]) -> Task | None:
    """What the answers of a model's spec, as plain data, are good for; None where its outputs do not say."""
    outputs = data.get("outputs")
    if outputs is None:
        return TASKS.get(str(data.get("task")))
    named = [KEYS[key][1] for key in KEYS if value_at(outputs, (key,))]
    return named[0] if len(named) == 1 else None


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
