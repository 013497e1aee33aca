"""The seam of trainers as a spec sees it: which there are, and what each can do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from functools import cache
from importlib.util import find_spec
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import AfterValidator, ValidationError, ValidationInfo

from airloop.columns import ANSWERS, LABEL, LABELS, PREDICTION
from airloop.contracts import Contract
from airloop.errors import SpecError
from airloop.issues import SpecIssue, issues_of, refuse
from airloop.plugins.registry import TRAINERS, load, names
from airloop.plugins.spec import is_frozen, name_issues


class OutputKind(StrEnum):
    """What a model may answer. A trainer names those that it can make."""

    #: P(positive), from 0 to 1.
    PROBABILITY = "probability"
    #: A number.
    VALUE = "value"
    #: One probability a class, which together are 1.
    CLASSES = "classes"
    #: The class itself: 1 for it, 0 for each other.
    LABELS = "labels"
    #: A value's quantiles, rising.
    QUANTILES = "quantiles"
    #: Several numbers, each with a truth of its own.
    VALUES = "values"
    #: So many numbers of one unit, which say one thing together.
    VECTOR = "vector"


class Output(Contract):
    """One thing that a model answers about a row."""

    kind: OutputKind
    #: What each of its numbers is called.
    names: tuple[str, ...]
    #: Of one row's answer: empty for a single number.
    shape: tuple[int, ...] = ()
    #: Of quantiles, in the order of the names.
    levels: tuple[float, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Its numbers as columns of the prediction log and of the scores."""
        if not self.shape:
            return (PREDICTION,)
        return tuple(f"{ANSWERS}{name}" for name in self.names)

    @property
    def labels(self) -> tuple[str, ...]:
        """The truths beside them: one, or one for each of several values and of a vector's numbers."""
        if self.apart:
            return tuple(f"{LABELS}{name}" for name in self.names)
        return (LABEL,)

    @property
    def apart(self) -> bool:
        """Whether each of its numbers has a truth of its own."""
        return self.kind in {OutputKind.VALUES, OutputKind.VECTOR}

    @property
    def each(self) -> tuple[str, ...]:
        """The names of what is measured one by one beside the whole; none where all numbers say one thing."""
        return self.names if self.kind is OutputKind.VALUES else ()

    @property
    def of_classes(self) -> bool:
        """Whether its numbers are of a class each, so that the truth is a class's place."""
        return self.kind in {OutputKind.CLASSES, OutputKind.LABELS}

    def named(self, rows: list[Any]) -> list[Any]:
        """Rows of its numbers by their names, as the prediction log has them; a number as it is."""
        if not self.shape:
            return rows
        return [dict(zip(self.names, row, strict=True)) for row in rows]

    def truths(self, values: Any) -> Any:
        """Labels as a metric takes them: of quantiles with the levels behind each, so that it needs nothing beside."""
        if not self.levels:
            return values
        import numpy as np

        return np.column_stack([values, np.tile(self.levels, (len(values), 1))])

    def heard(self, rows: Sequence[Any]) -> Sequence[Any]:
        """The same as a caller hears them: of a label its name alone, of a vector a list."""
        if self.kind is OutputKind.LABELS:
            return [max(row, key=row.__getitem__) for row in rows]
        return [[*row.values()] for row in rows] if self.kind is OutputKind.VECTOR else rows

    def decided(self, numbers: Any) -> Any:
        """Of labels a 1 for the class with the largest of a row's numbers, or for the one whose place is told; all else as it is."""
        if self.kind is not OutputKind.LABELS:
            return numbers
        import numpy as np

        found = np.asarray(numbers)
        places = found.argmax(axis=1) if found.ndim > 1 else found
        return np.asarray(places[:, None] == np.arange(len(self.names)), dtype=np.float64)

    def numbers(self, rows: list[Any]) -> list[Any]:
        """What a caller heard as rows of numbers again."""
        if not self.shape or self.kind is OutputKind.VECTOR:
            return rows
        if self.kind is OutputKind.LABELS:
            return [[float(name == row) for name in self.names] for row in rows]
        return [[row[name] for name in self.names] for row in rows]

    @property
    def told(self) -> str:
        """For a message."""
        if self.kind is OutputKind.VECTOR:
            return f"a vector of {len(self.names)} numbers"
        return f"{self.kind} {', '.join(self.names)}" if self.shape else f"a {self.kind}"


# Asked for each request.
@cache
def outputs_of(task: str) -> tuple[Output, ...]:
    """What a model of a task answers whose spec declares no outputs: one number."""
    kind = OutputKind.PROBABILITY if task == "classification" else OutputKind.VALUE
    return (Output(kind=kind, names=("prediction",)),)


class NoOptions(Contract):
    """Of a trainer that has no parameters of its own: all of ``training.params`` go to the user's ``build``."""


class TrainerCapabilities(Protocol):
    """What can be known of a trainer before it fits anything: all that a spec or an artifact is held against."""

    #: As a person knows it.
    library: ClassVar[str]
    #: The modules it needs; where one is missing, nothing of it is called.
    requires: ClassVar[tuple[str, ...]]
    #: The distributions whose versions change what a stored model answers; each version records them.
    distributions: ClassVar[tuple[str, ...]] = ()
    #: How to get the library.
    remedy: ClassVar[str] = ""
    #: The files in which ``save`` keeps a model; nothing else may lie in an artifact. No pickle, no code.
    files: ClassVar[frozenset[str]]
    #: Of answers, what it can make.
    outputs: ClassVar[frozenset[OutputKind]] = frozenset({OutputKind.PROBABILITY, OutputKind.VALUE})
    #: The keys of ``training.params`` that are the trainer's own.
    options: ClassVar[type[Contract]] = NoOptions
    #: Whether it asks the model's module for ``build(params)``.
    builds: ClassVar[bool] = True
    #: Whether it can learn from rows that come a batch at a time (``training.stream``).
    streams: ClassVar[bool] = False
    #: Whether it spreads a fit over ``training.processes``, and keeps ``training.checkpoint``.
    processes: ClassVar[bool] = False
    checkpoints: ClassVar[bool] = False
    #: What to do where a spec asks for processes and it has but one.
    alone: ClassVar[str] = "leave it out, or name a trainer that spreads a fit"


def missing(trainer: TrainerCapabilities) -> list[str]:
    """The modules that it needs and that are not installed here."""
    return [name for name in trainer.requires if not _is_there(name)]


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a package above it is missing
        return False


def trainer_issues(training: Any) -> Iterator[SpecIssue]:
    """What is wrong in ``training:`` that depends on the trainer; no word where there is no such trainer."""
    if not isinstance(training, Mapping):
        return
    name = training.get("trainer", "sklearn")
    if not isinstance(name, str) or name_issues(TRAINERS, name):
        return
    trainer: TrainerCapabilities = load(TRAINERS, name)
    processes = training.get("processes", 1)
    if isinstance(processes, int) and processes > 1 and not trainer.processes:
        what = f"trainer {name} runs in one process"
        yield SpecIssue(("training", "processes"), what, processes, trainer.alone)
    if training.get("checkpoint") is not None and not trainer.checkpoints:
        what, remedy = f"trainer {name} writes no checkpoints", "leave it out"
        yield SpecIssue(("training", "checkpoint"), what, training["checkpoint"], remedy)
    if training.get("stream") is True and not trainer.streams:
        what = f"trainer {name} fits all rows at once"
        remedy = f"leave it out, or set trainer: {' or '.join(_streaming())}"
        yield SpecIssue(("training", "stream"), what, True, remedy)
    yield from options_issues(trainer.options, training.get("params"))


def options_issues(options: type[Contract], params: Any) -> Iterator[SpecIssue]:
    """What is wrong with a trainer's own keys among ``training.params``."""
    if not isinstance(params, Mapping):
        return
    own = {name: value for name, value in params.items() if name in options.model_fields}
    try:
        options.model_validate(own)
    except ValidationError as error:
        for issue in issues_of(error, options):
            yield replace(issue, path=("training", "params", *issue.path))


def _known(name: str, info: ValidationInfo) -> str:
    if not is_frozen(info):
        refuse(name_issues(TRAINERS, name))
    return name


#: A trainer in a spec.
TrainerName = Annotated[str, AfterValidator(_known)]


def needs_build(trainers: Iterable[str]) -> bool:
    """Whether one of these asks the model's module for ``build``; so does one that is not known."""
    return any(name_issues(TRAINERS, name) or load(TRAINERS, name).builds for name in trainers)


@cache
def files_of_all() -> frozenset[str]:
    """The files of every trainer's format that is installed here and can be loaded."""
    return frozenset(one for _, trainer in _all() for one in trainer.files)


@cache
def _streaming() -> tuple[str, ...]:
    """The trainers that can learn from a stream."""
    return tuple(name for name, trainer in _all() if trainer.streams)


def _all() -> Iterator[tuple[str, TrainerCapabilities]]:
    for name in sorted(names(TRAINERS)):
        try:
            yield name, load(TRAINERS, name)
        except SpecError:  # a broken plug-in harms only who names it
            continue
