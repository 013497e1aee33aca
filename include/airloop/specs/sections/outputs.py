"""The section ``outputs``: what a model answers about a row, where that is more than one number."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, model_validator

from airloop.contracts import Contract
from airloop.fields import Number
from airloop.issues import KeyPath, SpecIssue, value_at
from airloop.plugins.metric import Task
from airloop.plugins.registry import TRAINERS, load
from airloop.plugins.spec import name_issues
from airloop.plugins.trainer import Output, OutputKind

#: Of a class: it names a column of the scores and a key of an answer, which every engine and language can write.
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,63}")
TASKS: Final[dict[str, Task]] = {"classification": "classification", "regression": "regression"}
#: What each key of the section is of, and what its answers are good for.
KEYS: Final[dict[str, tuple[str, Task]]] = {
    OutputKind.CLASSES: ("classification", "multiclass"),
    OutputKind.QUANTILES: ("regression", "quantiles"),
}


def _class_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(
            "a class is named by letters, digits, _ and -, 63 at most; let label(frame) return such names"
        )
    return name


_ClassName = Annotated[str, AfterValidator(_class_name)]
_Level = Annotated[Number, Field(gt=0, lt=1)]


def level_name(level: float) -> str:
    """What a quantile's number is called: ``q10`` of 0.1, ``q2_5`` of 0.025."""
    return f"q{level * 100:g}".replace(".", "_")


class OutputsSpec(Contract):
    """What is answered. Without this section it is one number: P(positive) of a classification, the value of a regression."""

    #: One probability a class; the label is the class's name.
    classes: Annotated[tuple[_ClassName, ...], Field(min_length=2)] | None = None
    #: The levels of a value's quantiles, rising; two are an interval.
    quantiles: Annotated[tuple[_Level, ...], Field(min_length=2)] | None = None

    @model_validator(mode="after")
    def _one(self) -> OutputsSpec:
        if (self.classes is None) == (self.quantiles is None):
            raise ValueError("needs classes or quantiles, and not both")
        return self

    @property
    def goal(self) -> Task:
        """What metrics and costs go by."""
        return "multiclass" if self.classes else "quantiles"

    @property
    def answers(self) -> tuple[Output, ...]:
        """The same as a trainer is told."""
        return _answers(self.classes, self.quantiles)


# Asked for each request.
@cache
def _answers(
    classes: tuple[str, ...] | None, quantiles: tuple[Number, ...] | None
) -> tuple[Output, ...]:
    if classes:
        return (Output(kind=OutputKind.CLASSES, names=classes, shape=(len(classes),)),)
    levels = tuple(float(level) for level in quantiles or ())
    names = tuple(map(level_name, levels))
    shape = (len(names),)
    return (Output(kind=OutputKind.QUANTILES, names=names, shape=shape, levels=levels),)


def goal_of(data: Mapping[str, Any]) -> Task | None:
    """What the answers of a model's spec, as plain data, are good for; None where its outputs do not say."""
    outputs = data.get("outputs")
    if outputs is None:
        return TASKS.get(str(data.get("task")))
    named = [KEYS[key][1] for key in KEYS if value_at(outputs, (key,))]
    return named[0] if len(named) == 1 else None


def output_rules(data: Mapping[str, Any]) -> Iterator[SpecIssue]:
    """What is wrong with the outputs of a model's spec, and with the keys that do not go with them."""
    for key, (task, _) in KEYS.items():
        declared = value_at(data, ("outputs", key))
        if not isinstance(declared, list | tuple) or not declared:
            continue
        yield from _twice(key, declared)
        if key == "quantiles":
            yield from _falling(declared)
        if data.get("task") in {"classification", "regression"} - {task}:
            what, remedy = f"{key} are of a {task}", f"set task: {task}"
            yield SpecIssue(("outputs", key), what, None, remedy)
        yield from _unmade(data, OutputKind(key))
        if data.get("segments") is not None:
            what = "models of segments answer one number"
            yield SpecIssue(("segments",), what, None, "leave out segments, or outputs")


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
