"""What a user says of a model: `config/models/<name>.yaml`."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from include.contracts import Contract, Name
from include.specs.dataset import Cron

ModulePath = Annotated[str, StringConstraints(pattern=r"\A[a-zA-Z_]\w*(\.[a-zA-Z_]\w*)*\Z")]
Fraction = Annotated[float, Field(ge=0, le=1)]
MetricName = Literal[
    "roc_auc", "average_precision", "log_loss", "brier", "accuracy", "mae", "rmse", "r2"
]


class Level(IntEnum):
    """Google's MLOps maturity levels."""

    MANUAL = 0
    CONTINUOUS_TRAINING = 1
    CONTINUOUS_DELIVERY = 2


class Target(Contract):
    """What is predicted. The module's ``label(frame)`` computes it; without one ``column`` is taken as it is."""

    column: str
    #: How long after the prediction date the truth is complete, in days.
    delay_days: int = Field(default=1, ge=0)


class TrainingSpec(Contract):
    """How a candidate is made."""

    trainer: Literal["sklearn"] = "sklearn"
    params: dict[str, Any] = {}
    #: The most recent days of the dataset that a snapshot takes.
    window_days: int = Field(default=60, ge=2)
    #: Of those, the last days, held out for the gates.
    holdout_days: int = Field(default=14, ge=1)
    min_rows: int = Field(default=1_000, ge=1)
    seed: int = 0
    schedule: Cron | None = None


class Threshold(Contract):
    """A bound on one metric."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Threshold:
        if self.min is None and self.max is None:
            raise ValueError("needs min, max or both")
        return self


class GatesSpec(Contract):
    """The gates: all on; a figure can be moved, no gate can be taken out."""

    primary: MetricName
    absolute: dict[MetricName, Threshold] = Field(min_length=1)
    #: The candidate must beat the trivial baseline by this much of the primary metric.
    baseline_margin: float = Field(default=0.02, ge=0)
    #: ... and the champion by this much, with this confidence, by paired bootstrap.
    champion_margin: float = Field(default=0.0, ge=0)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    resamples: int = Field(default=500, ge=100)
    slices: tuple[str, ...] = ()
    #: No slice may lose more than this of the primary metric against the champion.
    slice_margin: float = Field(default=0.03, ge=0)
    min_slice_rows: int = Field(default=300, ge=1)
    min_holdout_rows: int = Field(default=1_000, ge=1)


class ServingSpec(Contract):
    """How the model answers."""

    max_body_bytes: int = Field(default=1_000_000, ge=1_000)
    max_rows: int = Field(default=1_000, ge=1)
    max_concurrency: int = Field(default=256, ge=1)
    #: The input whose date is a row's prediction date; without one it is the day of the request.
    event_time: str | None = None


class MonitoringSpec(Contract):
    """What is watched, and how sure it must be before it speaks."""

    schedule: Cron | None = "0 8 * * *"
    #: The current window: this many days, ending with the night's partition.
    window_days: int = Field(default=1, ge=1)
    #: The share of quiet nights that may be called drift, over all features together.
    false_alarm_rate: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    #: A change smaller than this population stability index does not matter, however certain it is.
    #: (0.1 is what the field calls a moderate change; half a standard deviation is about 0.25.)
    min_psi: float = Field(default=0.1, gt=0)
    #: A column with fewer values in the window is not judged: could not tell.
    min_rows: int = Field(default=200, ge=1)
    #: A night in which a column lost more than this share of the values it usually has is a data incident.
    max_missing_fraction: Fraction = 0.3
    #: The loss of the primary metric, against the champion's holdout, that counts as performance drift.
    performance_margin: float = Field(default=0.05, ge=0)
    report_rows: int = Field(default=5_000, ge=100)


class RetrainingSpec(Contract):
    """When the loop may spend money."""

    cooldown_days: int = Field(default=7, ge=0)
    monthly_budget: int = Field(default=4, ge=0)


class ScoringSpec(Contract):
    """Batch predictions."""

    #: ``dataset``: whenever a partition arrives; a cron expression; or null for on demand only.
    when: Literal["dataset"] | Cron | None = None


class ModelSpec(Contract):
    """One model."""

    name: Name
    description: str
    owner: str
    level: Level = Level.CONTINUOUS_TRAINING
    dataset: Name
    module: ModulePath
    task: Literal["classification", "regression"]
    target: Target
    #: The columns a request carries and a training row holds; the module's ``features(frame)`` starts from them.
    inputs: tuple[str, ...] = Field(min_length=1)
    compute: Literal["process"] = "process"
    training: TrainingSpec = TrainingSpec()
    gates: GatesSpec
    serving: ServingSpec = ServingSpec()
    monitoring: MonitoringSpec = MonitoringSpec()
    retraining: RetrainingSpec = RetrainingSpec()
    scoring: ScoringSpec = ScoringSpec()

    @model_validator(mode="after")
    def _holdout_fits(self) -> ModelSpec:
        if self.training.holdout_days >= self.training.window_days:
            raise ValueError(
                f"training.holdout_days ({self.training.holdout_days}) must be smaller than "
                f"training.window_days ({self.training.window_days})"
            )
        if len(set(self.inputs)) != len(self.inputs):
            raise ValueError("names an input twice")
        return self
