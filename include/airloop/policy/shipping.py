"""Will it ship? The chance that a training passes the gates, from what became of the trainings before it.

Pure, and the same for the same history: a logistic regression that is drawn towards the share that passed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import log1p

from airloop.figures import Figures
from airloop.policy.findings import Findings
from airloop.vocabulary import DriftKind, Triage

#: With fewer cases nothing is said, and nothing follows.
LEAST = 30
#: The newest that are learned from: a model's world is not for ever.
MOST = 200
#: The share of the nights below the bound that train all the same: what is never tried teaches nothing.
EXPLORED = 0.05
#: How freely the regression follows the cases; chosen on made-up histories (docs/judgement.md).
FREEDOM = 0.3
#: Of a gain in half widths of its interval: beyond this it is certain.
_CERTAIN = 4.0
_GAIN = 1


@dataclass(frozen=True)
class Signs:
    """What a night knows of a training before it is begun."""

    #: The shadow candidate's gain, in half widths of its interval: above 1 the lower bound is above zero.
    gain: float | None
    #: Since the champion's days.
    partitions: int
    rows: int
    drift: bool
    performance: bool


@dataclass(frozen=True)
class Case:
    """A night that trained, and whether its model shipped."""

    signs: Signs
    passed: bool


@dataclass(frozen=True)
class Forecast:
    """The chance of a night's training; None where it cannot be told."""

    chance: float | None
    cases: int
    #: The chance is below the bound ...
    low: bool = False
    #: ... and the night is one of those that train all the same.
    explored: bool = False

    @property
    def skipped(self) -> bool:
        """Whether no training follows."""
        return self.low and not self.explored

    @property
    def sentence(self) -> str:
        """The chance, for people; empty where there is none."""
        if self.chance is None:
            return ""
        return f"it would pass the gates in {self.chance:.0%}, by the {self.cases} trainings before"

    def beside(self, figures: Figures) -> Figures:
        """A decision's figures with these, and its alternatives with the chance."""
        told = figures.get("alternatives")
        line = {"alternatives": f"{told}; {self.sentence}"} if told and self.sentence else {}
        return figures | line | {"ships": self.chance, "ships_cases": self.cases}


def signs_of(findings: Findings) -> Signs | None:
    """Those of a night; None where what has arrived is not known."""
    report, evidence = findings.report, findings.evidence
    if evidence.new_data is None:
        return None
    shadow = evidence.shadow
    return Signs(
        gain=None if shadow is None else _in_half_widths(shadow.gain, shadow.low, shadow.high),
        partitions=evidence.new_data.partitions,
        rows=evidence.new_data.rows,
        drift=report.triage is Triage.DRIFT,
        performance=DriftKind.CONCEPT in report.kinds,
    )


def signs_in(figures: Figures) -> Signs | None:
    """The same as a night's decision kept them; None where it did not."""
    told = {name: figures.get(name) for name in ("gain", "gain_low", "gain_high")}
    known = [float(value) for value in told.values() if value is not None]
    partitions, rows = figures.get("new_partitions"), figures.get("new_rows")
    if partitions is None or rows is None:
        return None
    return Signs(
        gain=_in_half_widths(*known) if len(known) == len(told) else None,
        partitions=int(partitions),
        rows=int(rows),
        drift=figures.get("triage") == Triage.DRIFT.value,
        performance=DriftKind.CONCEPT.value in str(figures.get("kinds", "")).split(", "),
    )


def forecast(bound: float | None, cases: Sequence[Case], findings: Findings) -> Forecast:
    """Whether a night's training would be for nothing.

    :param bound: the least chance that is worth a training; 0 or None for no such bound
    :param cases: the trainings before, the oldest first
    """
    signs, recent = signs_of(findings), cases[-MOST:]
    if not bound or signs is None:
        return Forecast(None, len(recent))
    told = chance(recent, signs)
    low = told is not None and told < bound
    report = findings.report
    return Forecast(told, len(recent), low, low and _explores(report.model, report.partition))


def chance(cases: Sequence[Case], signs: Signs) -> float | None:
    """That a training passes; None with too few cases, or where all ended alike.

    A greater gain never lowers it: where the cases say so by chance, the gain is left out.
    """
    cases = cases[-MOST:]
    passed = [case.passed for case in cases]
    if len(cases) < LEAST or len(set(passed)) == 1:
        return None
    rows, refused = [], 0
    for case in cases:
        rows.append(_row(case.signs, refused))
        refused = 0 if case.passed else refused + 1
    now = _row(signs, refused)
    found, weight = _fitted(rows, passed, now)
    if weight < 0:
        spared = [[*row[:_GAIN], 0.0, *row[_GAIN + 1 :]] for row in (*rows, now)]
        found, _ = _fitted(spared[:-1], passed, spared[-1])
    return found


def _fitted(rows: list[list[float]], passed: list[bool], now: list[float]) -> tuple[float, float]:
    """The chance of one more, and the weight of the gain."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(rows)
    # Without a seed: this solver draws nothing.
    model = LogisticRegression(C=FREEDOM, max_iter=1_000).fit(scaler.transform(rows), passed)
    found = model.predict_proba(scaler.transform(np.array([now])))[0, 1]
    return float(found), float(model.coef_[0, _GAIN])


def _row(signs: Signs, refused: int) -> list[float]:
    """What the regression sees of a night.

    :param refused: trainings in a row that did not pass before it
    """
    return [
        float(signs.gain is not None),
        signs.gain or 0.0,
        log1p(signs.partitions),
        log1p(signs.rows),
        float(signs.drift),
        float(signs.performance),
        log1p(refused),
    ]


def _in_half_widths(gain: float, low: float, high: float) -> float:
    half = (high - low) / 2
    if half <= 0:
        return _CERTAIN * ((gain > 0) - (gain < 0))
    return max(-_CERTAIN, min(_CERTAIN, gain / half))


def _explores(model: str, partition: str) -> bool:
    """Whether a night trains below the bound: the same whenever it is asked, without a draw."""
    told = hashlib.sha256(f"ships\0{model}\0{partition}".encode()).digest()
    return int.from_bytes(told[:8]) < EXPLORED * 2**64
