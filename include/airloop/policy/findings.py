"""What a night found, as the retraining policy is told: verdicts and figures, never rows."""

from __future__ import annotations

from dataclasses import dataclass

from airloop.contracts import DriftReport
from airloop.specs.sections.watching import PricesSpec

_HOUR = 3600.0


@dataclass(frozen=True)
class PairedGain:
    """How much better a shadow candidate is than the champion, on the same rows of days that neither learned from."""

    gain: float
    #: One-sided bounds, each at the confidence asked for.
    low: float
    high: float
    days: int
    rows: int


@dataclass(frozen=True)
class NewData:
    """What has arrived since some night."""

    partitions: int
    rows: int
    #: Rows whose labels have become complete since.
    labels: int = 0


@dataclass(frozen=True)
class Cost:
    """What a training of this model took the last time."""

    cpu_seconds: float
    gpu_seconds: float = 0.0

    def amount(self, prices: PricesSpec) -> float:
        """In the prices' currency."""
        cpu, gpu = self.cpu_seconds * prices.cpu_hour, self.gpu_seconds * prices.gpu_hour
        return (cpu + gpu) / _HOUR


@dataclass(frozen=True)
class Evidence:
    """What is known beside a night's report; None where it is not."""

    shadow: PairedGain | None = None
    #: Why no shadow candidate can be had, however much one is wanted; empty where none was due, or one was had.
    no_shadow: str = ""
    #: Since the champion's days.
    new_data: NewData | None = None
    #: Since the last training, whatever became of it; None where the spec asks for no amount.
    fresh: NewData | None = None
    cost: Cost | None = None
    #: Answers a day.
    traffic: float | None = None


@dataclass(frozen=True)
class Findings:
    """All that a night's answer is taken on beside the history."""

    report: DriftReport
    evidence: Evidence = Evidence()
