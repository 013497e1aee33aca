"""What a user says of a model: `config/models/<name>.yaml`."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from airloop.contracts import Contract, Name
from airloop.durations import spanned
from airloop.fields import (
    ColumnName,
    Cron,
    HalfLife,
    Line,
    ModulePath,
    Span,
    Text,
    Whole,
    Window,
)
from airloop.issues import KeyPath, refuse
from airloop.partition import Cadence
from airloop.plugins.executor import ComputeField
from airloop.plugins.metric import Task, part_of
from airloop.plugins.spec import is_frozen
from airloop.plugins.trainer import Output, TrainerName, outputs_of
from airloop.specs.rules import model_rules
from airloop.specs.sections.days import HOLDOUT_DAYS, WINDOW_DAYS
from airloop.specs.sections.fitting import MAX_PROCESSES, CheckpointSpec
from airloop.specs.sections.gating import GatesSpec
from airloop.specs.sections.outputs import OutputsSpec
from airloop.specs.sections.resources import EnvironmentSpec, ResourcesSpec
from airloop.specs.sections.segments import SegmentsSpec
from airloop.specs.sections.serving import ScoringSpec, ServingSpec
from airloop.specs.sections.splitting import SplitSpec
from airloop.specs.sections.tuning import AlgorithmSpec, FunctionName, TuningSpec
from airloop.specs.sections.watching import MonitoringSpec, RetrainingSpec, said


class Level(IntEnum):
    """Google's MLOps maturity levels."""

    MANUAL = 0
    CONTINUOUS_TRAINING = 1
    CONTINUOUS_DELIVERY = 2


def _whole(value: Any) -> Any:
    if isinstance(value, bool | str):
        raise ValueError("must be 0, 1 or 2")
    return value


#: The steps that a model may bring itself: those that run where its code runs.
OwnStep = Literal["train", "evaluate", "monitor", "score"]
LevelField = Annotated[Level, BeforeValidator(_whole)]


class Target(Contract):
    """What is predicted. The module's ``label(frame)`` computes it; without one ``column`` is taken as it is. Several values name their own."""

    column: ColumnName | None = None
    #: What such a function reads beside; None: any column of the dataset.
    reads: tuple[ColumnName, ...] | None = None
    #: How long after the prediction date the truth is complete: in days, or in partitions or as a duration.
    delay_days: Whole = Field(default=1, ge=0)
    delay: Span | None = None

    def delay_in(self, cadence: Cadence) -> int:
        """The delay in partitions."""
        return spanned(said(self.delay, self.delay_days), cadence)


class TrainingSpec(Contract):
    """How a candidate is made."""

    trainer: TrainerName = "sklearn"
    params: dict[str, Any] = {}
    #: The function of the module that builds the estimator.
    build: FunctionName = "build"
    #: Over how many processes the torch trainer spreads each batch.
    processes: Whole = Field(default=1, ge=1, le=MAX_PROCESSES)
    #: The torch trainer's checkpoints; None for the default interval.
    checkpoint: CheckpointSpec | None = None
    #: The most recent days of the dataset that a snapshot takes ...
    window_days: Annotated[Whole, Field(ge=2)] | None = None
    #: ... or partitions, or a duration, or ``auto``, which holds where neither is said: what has shown to be best.
    window: Window | None = None
    #: Rows count half as much for each such span of age. None: all alike, or what has shown to be best where the window is.
    half_life: HalfLife | None = None
    #: Of those, the last days, held out for the gates ...
    holdout_days: Whole = Field(default=HOLDOUT_DAYS, ge=1)
    #: ... or partitions, or a duration.
    holdout: Span | None = None
    #: Of a snapshot dataset, which has no last days: how its rows are divided.
    split: SplitSpec | None = None
    min_rows: Whole = Field(default=1_000, ge=1)
    seed: Whole = 0
    #: The trainer gets the rows a batch at a time, as often as it asks, and nobody holds them all.
    stream: bool = False
    refit: bool = True
    schedule: Cron | None = None

    @property
    def auto(self) -> bool:
        """Whether the window is chosen by what it is worth."""
        return self.window == "auto" or (self.window is None and self.window_days is None)

    def window_in(self, cadence: Cadence) -> int:
        """The window in partitions; where it is not chosen yet, the one that is taken without a choice."""
        window = None if self.window == "auto" else self.window
        return spanned(said(window, self.window_days or WINDOW_DAYS), cadence)

    def holdout_in(self, cadence: Cadence) -> int:
        """The held-out part of it, in partitions."""
        return spanned(said(self.holdout, self.holdout_days), cadence)


class ModelSpec(Contract):
    """One model."""

    name: Name
    description: Text
    owner: Line
    level: LevelField = Level.CONTINUOUS_TRAINING
    dataset: Name
    module: ModulePath
    task: Literal["classification", "regression"]
    #: What it answers where that is more than one number.
    outputs: OutputsSpec | None = None
    target: Target
    #: The columns a request carries and a training row holds; the module's ``features(frame)`` starts from them.
    inputs: tuple[ColumnName, ...] = Field(min_length=1)
    #: Where its steps run: beside Airflow, or as pods.
    compute: ComputeField = "process"
    resources: ResourcesSpec = ResourcesSpec()
    environment: EnvironmentSpec | None = None
    training: TrainingSpec = TrainingSpec()
    #: Looks for parameters; what it finds is laid over training.params.
    tuning: TuningSpec | None = None
    #: Compete in each training; the winner stands in for training.trainer, params and build.
    algorithms: tuple[AlgorithmSpec, ...] = ()
    #: A model of its own for each value of a column, where it is better than the one for all.
    segments: SegmentsSpec | None = None
    gates: GatesSpec
    serving: ServingSpec = ServingSpec()
    monitoring: MonitoringSpec = MonitoringSpec()
    retraining: RetrainingSpec = RetrainingSpec()
    scoring: ScoringSpec = ScoringSpec()
    #: Steps of one's own, each a module whose ``run(request, context)`` stands for the built-in one.
    steps: dict[OwnStep, ModulePath] = {}

    @model_validator(mode="after")
    def _rules(self, info: ValidationInfo) -> ModelSpec:
        if not is_frozen(info):
            refuse(model_rules(self.model_dump(mode="json", by_alias=True)))
        return self

    @property
    def answers(self) -> tuple[Output, ...]:
        """What the model answers about a row, declared or by its task."""
        return self.outputs.answers if self.outputs else outputs_of(self.task)

    @property
    def answer(self) -> Output:
        """The one output that a model has; it may be of several numbers."""
        (one,) = self.answers
        return one

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns that the truth is known from: one, or those of several values and of a vector."""
        named = (self.target.column,) if self.target.column is not None else ()
        return self.outputs.columns if self.outputs and self.answer.apart else named

    @property
    def goal(self) -> Task:
        """What metrics and costs go by: the task, or what several numbers are good for."""
        return self.outputs.goal if self.outputs else self.task

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that this spec names."""
        return tuple(dict.fromkeys(name for _, name in metric_places(self)))

    @property
    def refitted(self) -> bool:
        """Whether trainings fit once more, on the held-out days too, what is then delivered: one model, rows in memory."""
        # Of processes with a pod each a second fit would wait for those that have ended.
        spec = self.training
        return spec.refit and spec.processes == 1 and self.segments is None and not spec.stream


def metric_places(spec: ModelSpec) -> Iterator[tuple[KeyPath, str]]:
    """Where a spec names metrics."""
    yield ("gates", "primary"), spec.gates.primary
    for name in spec.gates.absolute:
        if part_of(spec.goal, spec.answer.names, name) is None:
            yield ("gates", "absolute", name), name
    if spec.tuning is not None and spec.tuning.metric is not None:
        yield ("tuning", "metric"), spec.tuning.metric


def trainers_of(spec: ModelSpec) -> tuple[str, ...]:
    """The trainers that a spec names."""
    return (spec.training.trainer, *(algorithm.trainer for algorithm in spec.algorithms))
