"""Is a training worth its cost? The expected gain times the answers that it betters, against what it takes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from airloop.calendar import cadence_of
from airloop.figures import Figures
from airloop.policy.findings import Findings, PairedGain
from airloop.specs.sections.watching import RetrainingSpec

#: How long a gain is counted on where no calendar ends it: a model ages.
HORIZON = timedelta(days=30)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Worth:
    """What a training would bring and cost; amounts are None where no price or no figure says them."""

    gain: PairedGain
    answers: float | None
    value: float | None
    cost: float | None
    #: Whether the gain is large and certain enough, and worth more than it costs.
    pays: bool

    @property
    def sentence(self) -> str:
        """The figures, for people."""
        one = self.gain
        told = f"gain {one.gain:+.4f} ({one.low:+.4f} to {one.high:+.4f}) on {one.days} days"
        if self.value is None:
            return told
        cost = "" if self.cost is None else f", a training costs {self.cost:.2f}"
        return f"{told}, worth {self.value:.2f} over {self.answers:,.0f} answers{cost}"

    @property
    def figures(self) -> Figures:
        """The same as a decision keeps them."""
        one = self.gain
        return {
            "gain": one.gain,
            "gain_low": one.low,
            "gain_high": one.high,
            "gain_days": one.days,
            "gain_rows": one.rows,
            "answers": self.answers,
            "worth": self.value,
            "cost": self.cost,
        }


def worth_of(spec: RetrainingSpec, findings: Findings) -> Worth | None:
    """Weigh the night's shadow candidate; None where there is none."""
    gain, prices = findings.evidence.shadow, spec.prices
    if gain is None:
        return None
    cost = None if findings.evidence.cost is None else findings.evidence.cost.amount(prices)
    horizon = spec.floor_of(cadence_of(findings.report.partition)) or HORIZON
    answers = (
        None if findings.evidence.traffic is None else findings.evidence.traffic * (horizon / _DAY)
    )
    value = None
    if prices.gain is not None and answers is not None:
        value = gain.gain * answers / 1000 * prices.gain
    sure = gain.low > 0 and gain.gain > spec.min_gain
    # Without a price of the gain only a tie is decided by cost, and a gain of nothing is no gain already.
    return Worth(gain, answers, value, cost, sure and (value is None or value > (cost or 0.0)))


def weighed(findings: Findings, worth: Worth | None) -> Figures:
    """What a night's answer was taken on, and both alternatives in a line."""
    figures: Figures = {} if worth is None else worth.figures
    if findings.evidence.no_shadow:
        figures["no_shadow"] = findings.evidence.no_shadow
    if findings.evidence.new_data is not None:
        figures["new_partitions"] = findings.evidence.new_data.partitions
        figures["new_rows"] = findings.evidence.new_data.rows
    if worth is not None:
        cost = "its cost is not known yet" if worth.cost is None else f"costs {worth.cost:.2f}"
        figures["alternatives"] = f"wait: costs and gains nothing; train: {worth.gain.gain:+.4f}, {cost}"  # fmt: skip
    return figures
