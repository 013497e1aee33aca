"""The keys under which steps are begun and fenced, as values: each kind is spelt and read here and nowhere else.

Their printed forms stand in ledgers and step stores, so they never change.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

from airloop.contracts import NAME_PATTERN

_NAME = NAME_PATTERN.removeprefix(r"\A").removesuffix(r"\Z")
#: How a field looks: models and datasets have no colon in them, what others called a run or a study may.
_LOOKS = {
    "model": _NAME,
    "dataset": _NAME,
    "worker": "[0-9]+",
    "pack": "[0-9]+",
    "number": "[0-9]+",
}


@dataclass(frozen=True)
class Key:
    """A key. ``str`` prints it, ``parse`` reads it."""

    #: The printed form, its fields in braces.
    form: ClassVar[str]

    def __str__(self) -> str:
        return self.form.format(**asdict(self))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The key of this kind that is printed so; None where it is another kind's, or nobody's."""
        found = _pattern(cls).fullmatch(text)
        if found is None:
            return None
        values: dict[str, Any] = found.groupdict()
        numbers = {one.name for one in fields(cls) if one.type == "int"}
        return cls(**{name: int(v) if name in numbers else v for name, v in values.items()})


@dataclass(frozen=True)
class Ingest(Key):
    """A partition's way into the lake, or that of several, which each have a key of their own beneath."""

    form = "ingest:{dataset}:{days}"
    dataset: str
    days: str

    @classmethod
    def of(cls, dataset: str, days: Sequence[str]) -> Ingest:
        """The key of these days, one at least."""
        return cls(dataset, days[0] if len(days) == 1 else f"{days[0]}..{days[-1]}")


@dataclass(frozen=True)
class Recheck(Key):
    """A run's second look at partitions of a dataset."""

    form = "recheck:{dataset}:{run}"
    dataset: str
    run: str


@dataclass(frozen=True)
class Training(Key):
    """A step of a training; ``run`` is its trigger, or the Airflow run where nobody claimed one."""

    model: str
    run: str


@dataclass(frozen=True)
class Study(Training):
    """The search for parameters before a training. Its printed form is the study's name."""

    form = "study:{model}:{run}"


@dataclass(frozen=True)
class Divide(Training):
    """The plan of a training's segments."""

    form = "divide:{model}:{run}"


@dataclass(frozen=True)
class Train(Training):
    """A training itself."""

    form = "train:{model}:{run}"

    @property
    def study(self) -> Study:
        """The step of the same training that looked for parameters."""
        return Study(self.model, self.run)

    @property
    def divide(self) -> Divide:
        """The step of the same training that planned its segments."""
        return Divide(self.model, self.run)


@dataclass(frozen=True)
class Trials(Key):
    """A worker's share of a study."""

    form = "trials:{study}:{worker}"
    study: str
    worker: int

    @staticmethod
    def prefix(study: str) -> str:
        """How the keys of all workers of a study begin."""
        return f"trials:{study}:"


@dataclass(frozen=True)
class Segments(Key):
    """A pack of a plan's segments."""

    form = "segments:{plan}:{pack}"
    plan: str
    pack: int

    @staticmethod
    def prefix(plan: str) -> str:
        """How the keys of all packs of a plan, and of their workers, begin."""
        return f"segments:{plan}:"


@dataclass(frozen=True)
class SegmentWorker(Key):
    """The process that fits a pack, started by the step of that key."""

    form = "{step}:worker"
    step: str


@dataclass(frozen=True)
class Evaluate(Key):
    """The gates of a candidate."""

    form = "evaluate:{model}:{run_id}"
    model: str
    run_id: str


@dataclass(frozen=True)
class Register(Key):
    """A candidate's becoming a version."""

    form = "register:{model}:{run_id}"
    model: str
    run_id: str


@dataclass(frozen=True)
class Verify(Key):
    """The trial of a version."""

    form = "verify:{model}:{number}"
    model: str
    number: int


@dataclass(frozen=True)
class Promote(Key):
    """What a model serves: promotions and rollbacks of a model shut each other out."""

    form = "promote:{model}"
    model: str


@dataclass(frozen=True)
class Monitor(Key):
    """The judgement of a model's partition."""

    form = "monitor:{model}:{partition}"
    model: str
    partition: str


@dataclass(frozen=True)
class Score(Key):
    """A batch of predictions."""

    form = "score:{model}:{partition}"
    model: str
    partition: str


@dataclass(frozen=True)
class Replay(Key):
    """A look back at all nights of a model."""

    form = "replay:{model}"
    model: str


#: The keys of a training's own steps, by step.
OF_TRAINING: dict[str, type[Training]] = {"study": Study, "divide": Divide, "train": Train}


def _pattern(kind: type[Key]) -> re.Pattern[str]:
    text = re.escape(kind.form).replace(r"\{", "{").replace(r"\}", "}")
    for one in fields(kind):
        text = text.replace(f"{{{one.name}}}", f"(?P<{one.name}>{_LOOKS.get(one.name, '.+')})")
    return re.compile(text)
