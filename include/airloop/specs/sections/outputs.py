"""The section ``outputs``: what a model answers about a row, where that is more than one number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, model_validator

from airloop.contracts import Contract
from airloop.fields import ColumnName, Number, Whole
from airloop.issues import value_at
from airloop.plugins.metric import Task
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


def output_names(data: Mapping[str, Any]) -> tuple[str, ...]:
    """What the outputs of a model's spec, as plain data, are called one by one; nothing of a vector's numbers."""
    found: list[str] = []
    for key in KEYS:
        declared = value_at(data, ("outputs", key))
        for one in declared if isinstance(declared, list | tuple) else ():
            number = isinstance(one, int | float)
            name = level_name(one) if number else value_at(one, ("name",)) or one
            found += [name] if isinstance(name, str) else []
    return tuple(found)
