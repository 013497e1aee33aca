"""The section ``outputs``: what a model answers about a row, where that is more than one number."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from airloop.contracts import Contract
from airloop.issues import SpecIssue, value_at
from airloop.plugins.trainer import Output, OutputKind

#: Of a class: it names a column of the scores and a key of an answer, which every engine and language can write.
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,63}")


def _class_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(
            "a class is named by letters, digits, _ and -, 63 at most; let label(frame) return such names"
        )
    return name


class OutputsSpec(Contract):
    """What is answered. Without this section it is one number: P(positive) of a classification, the value of a regression."""

    #: One probability a class; the label is the class's name.
    classes: tuple[Annotated[str, AfterValidator(_class_name)], ...] = Field(min_length=2)

    @property
    def answers(self) -> tuple[Output, ...]:
        """The same as a trainer is told."""
        return (Output(kind=OutputKind.CLASSES, names=self.classes, shape=(len(self.classes),)),)


def output_rules(data: Mapping[str, Any]) -> Iterator[SpecIssue]:
    """What is wrong with the outputs of a model's spec, and with the keys that do not go with them."""
    classes = value_at(data, ("outputs", "classes"))
    if not isinstance(classes, list | tuple):
        return
    seen: set[str] = set()
    for index, name in enumerate(classes):
        # The lake's format takes names that differ only in capital letters for one.
        if str(name).casefold() in seen:
            path = ("outputs", "classes", index)
            yield SpecIssue(path, "the output is declared twice", name, "leave one out")
        seen.add(str(name).casefold())
    if data.get("task") == "regression":
        what, remedy = "classes are of a classification", "set task: classification"
        yield SpecIssue(("outputs", "classes"), what, None, remedy)
    if data.get("segments") is not None:
        what = "models of segments answer one number"
        yield SpecIssue(("segments",), what, None, "leave out segments, or outputs")
