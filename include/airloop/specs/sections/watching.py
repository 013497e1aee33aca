"""What is watched of a model, and when the loop may train it by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from airloop.contracts import Contract
from airloop.durations import lasting, spanned
from airloop.fields import ColumnName, Fraction, Number, Span, When, Whole
from airloop.partition import Cadence


def said(span: int | str | None, days: int) -> int | str:
    """A span as it is said: in partitions, as a duration, or by the key that counts days."""
    if span is not None:
        return span
    return f"{days}d" if days else 0


class LastingSpec(Contract):
    """After how many nights alike an incident is the world's doing, if the model is still good."""

    nights: Whole = Field(default=5, ge=2)
    of: Whole = Field(default=7, ge=2)

    @model_validator(mode="after")
    def _ordered(self) -> LastingSpec:
        if self.nights > self.of:
            raise ValueError(f"{self.nights} nights of {self.of} never come")
        return self


class SkewSpec(Contract):
    """How far what callers send may be from what is delivered of the same rows."""

    #: So many of a column's rows may differ: what was corrected since it was asked about.
    max_share: Fraction = 0.02
    #: Of fewer rows that both sides have nothing is said.
    min_rows: Whole = Field(default=20, ge=1)
    #: Columns that are meant to differ: a forecast is not what came.
    may_differ: tuple[ColumnName, ...] = ()


class MonitoringSpec(Contract):
    """What is watched, and how sure it must be before it speaks."""

    #: When a night is looked at: by a cron expression, or ``dataset``, whenever a partition arrives.
    schedule: When | None = "0 8 * * *"
    #: The current window: this many days, ending with the night's partition ...
    window_days: Whole = Field(default=1, ge=1)
    #: ... or so many partitions, or a duration.
    window: Span | None = None
    #: The share of quiet nights that may be called drift, over all features together.
    false_alarm_rate: Annotated[Number, Field(gt=0, lt=0.5)] = 0.01
    #: A change smaller than this population stability index does not matter, however certain it is.
    #: (0.1 is what the field calls a moderate change; half a standard deviation is about 0.25.)
    min_psi: Number = Field(default=0.1, gt=0)
    #: The same of a rate (of two values, of a rare category, of missing values): by how many times the odds change.
    min_ratio: Annotated[Number, Field(gt=1)] = 1.5
    #: A column with fewer values in the window is not judged: could not tell.
    min_rows: Whole = Field(default=200, ge=1)
    #: A night in which a column lost more than this share of the values it usually has is a data incident.
    max_missing_fraction: Fraction = 0.3
    #: The loss of the primary metric, against the champion's holdout, that counts as performance drift.
    performance_margin: Number = Field(default=0.05, ge=0)
    #: The rise of the log loss (of a regression: RMSE), as a part of the holdout's, that counts as performance drift.
    loss_margin: Number = Field(default=0.2, ge=0)
    #: A change of one night that comes again in so many nights, of so many, with performance still good, is drift.
    drift_after: LastingSpec = LastingSpec()
    #: When what callers send is another thing than what is delivered.
    skew: SkewSpec = SkewSpec()
    report_rows: Whole = Field(default=5_000, ge=100)

    def window_in(self, cadence: Cadence) -> int:
        """The window in partitions."""
        return spanned(said(self.window, self.window_days), cadence)


class PricesSpec(Contract):
    """What a training costs and what better answers are worth, in one currency."""

    #: Of a core. The default is what clouds ask on demand for a virtual one of a common machine.
    cpu_hour: Number = Field(default=0.05, ge=0)
    #: Of a GPU; the default is what they ask for one that trains.
    gpu_hour: Number = Field(default=3.0, ge=0)
    #: What a thousand answers are worth more for each unit by which the primary metric is better. None: nobody has
    #: said; cost then only breaks ties.
    gain: Annotated[Number, Field(ge=0)] | None = None


class NewDataSpec(Contract):
    """How much must have arrived since the last training for another to follow; the first that is reached suffices."""

    partitions: Annotated[Whole, Field(ge=1)] | None = None
    rows: Annotated[Whole, Field(ge=1)] | None = None
    #: Rows whose labels are complete by the night.
    labels: Annotated[Whole, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _something(self) -> NewDataSpec:
        if self.partitions is None and self.rows is None and self.labels is None:
            raise ValueError("needs partitions, rows or labels")
        return self


class RetrainingSpec(Contract):
    """When the loop may spend money."""

    #: ``by_gain``: a training follows where a model of today's data has shown to be better; ``on_drift``: where a
    #: night's window has drifted.
    policy: Literal["by_gain", "on_drift"] = "by_gain"
    cooldown_days: Whole = Field(default=7, ge=0)
    #: The same in partitions, or as a duration.
    cooldown: Span | None = None
    monthly_budget: Whole = Field(default=4, ge=0)
    #: How often a shadow candidate is fitted and compared with the champion; a night of drift fits one as well.
    shadow_every: Span = "7d"
    #: A gain of the primary metric up to this is none.
    min_gain: Number = Field(default=0.0, ge=0)
    #: How sure it must be that there is a gain: no surer than the gates, which would refuse the training otherwise.
    confidence: Annotated[Number, Field(gt=0.5, lt=1)] = 0.95
    #: The longest time without a training, whatever the shadows say; None for no such time.
    at_least_every: Span | None = "30d"
    #: How much new data is a reason by itself; None: however much arrives is none.
    new_data: NewDataSpec | None = None
    #: Where the window of a trigger's training ends: ``newest``, with the newest complete label there is by then;
    #: ``partition``, with the partition that the trigger is about, or the newest label complete before it.
    window_ends: Literal["newest", "partition"] = "newest"
    prices: PricesSpec = PricesSpec()
    #: The least chance to pass the gates, by the trainings before, with which the loop trains by itself; 0 or None: any.
    ships: Fraction | None = 0.1

    def cooldown_of(self, cadence: Cadence) -> timedelta:
        """How long nothing is trained after a training."""
        return lasting(said(self.cooldown, self.cooldown_days), cadence)

    def floor_of(self, cadence: Cadence) -> timedelta | None:
        """After how long without a training one is due."""
        return None if self.at_least_every is None else lasting(self.at_least_every, cadence)

    def shadows_of(self, cadence: Cadence) -> timedelta:
        """How far two shadow candidates lie apart."""
        return lasting(self.shadow_every, cadence)
