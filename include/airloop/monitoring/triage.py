"""What a night's findings mean: data incident, drift, nothing - or too little to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from airloop.columns import is_answer, is_label, shown
from airloop.contracts import Check, FeatureDrift, Outcome
from airloop.findings import Finding, Skew
from airloop.vocabulary import DriftKind, Triage

#: Columns named in a reason; the report has them all.
NAMED = 4


@dataclass(frozen=True)
class Verdict:
    """A triage with its reason in one line."""

    triage: Triage
    reason: str
    kinds: tuple[DriftKind, ...] = ()


def triage(
    findings: Sequence[Finding],
    features: Sequence[FeatureDrift],
    performance: Check,
    skews: Sequence[Skew] = (),
    asked: Sequence[FeatureDrift] = (),
) -> Verdict:
    """An incident comes before everything else; what moved in the columns that are sound is told beside it.

    What callers send otherwise than it is delivered comes last: drift of what is delivered is drift all the same.

    :param asked: what callers ask about, column by column
    """
    told = _triage(findings, features, performance)
    if skews:
        what = f"callers send other values than are delivered: {'; '.join(map(str, skews))}"
        if told.triage in {Triage.INCIDENT, Triage.DRIFT}:
            return replace(told, reason=f"{told.reason}; besides, {what}")
        return Verdict(Triage.SKEW, f"{what}; {told.reason}")
    served = _served(features, asked)
    if not served:
        return told
    what = f"callers ask about other rows than the reference's: {_moved(served)}"
    kinds = (*told.kinds, DriftKind.SERVED)
    if told.triage in {Triage.INCIDENT, Triage.DRIFT}:
        return replace(told, kinds=kinds, reason=f"{told.reason}; besides, {what}")
    return Verdict(Triage.DRIFT, f"{what}; {told.reason}", kinds)


def _served(features: Sequence[FeatureDrift], asked: Sequence[FeatureDrift]) -> list[FeatureDrift]:
    """What moved in what callers ask, and not in what is delivered."""
    known = {one.column for one in features if one.outcome is Outcome.BAD}
    return [one for one in asked if one.outcome is Outcome.BAD and one.column not in known]


def _triage(
    findings: Sequence[Finding], features: Sequence[FeatureDrift], performance: Check
) -> Verdict:
    """Of what was delivered, and what was answered."""
    moved = [one for one in features if one.outcome is Outcome.BAD]
    if findings:
        told = "; ".join(map(str, findings))
        broken = {name for finding in findings for name in finding.columns}
        besides = [one for one in moved if one.column not in broken]
        return Verdict(Triage.INCIDENT, f"{told}; besides, {_moved(besides)}" if besides else told)
    kinds = _kinds(moved, performance)
    if kinds:
        parts = [_moved(moved)] if moved else []
        if performance.outcome is Outcome.BAD or not moved:
            parts.append(f"{performance.name}: {performance.reason}")
        return Verdict(Triage.DRIFT, "; ".join(parts), kinds)
    judged = [one for one in features if one.outcome is Outcome.OK]
    told = f"performance: {performance.reason}"
    if not judged:
        why = features[0].reason if features else "no column can be compared"
        return Verdict(Triage.UNKNOWN, f"{why}; {told}")
    return Verdict(Triage.NOTHING, f"{_quiet(judged, len(features))}; {told}")


def _kinds(moved: Sequence[FeatureDrift], performance: Check) -> tuple[DriftKind, ...]:
    names = {one.column for one in moved}
    found = {
        DriftKind.COVARIATE: any(not is_label(name) and not is_answer(name) for name in names),
        DriftKind.LABEL: any(map(is_label, names)),
        DriftKind.PREDICTION: any(map(is_answer, names)),
        DriftKind.CONCEPT: performance.outcome is Outcome.BAD,
    }
    return tuple(kind for kind, is_there in found.items() if is_there)


def _moved(moved: Sequence[FeatureDrift]) -> str:
    """The columns that moved, the largest effect first, as a multiple of the least that matters."""
    ordered = sorted(moved, key=lambda one: -(one.statistic or 0) / (one.threshold or 1))
    named = "; ".join(f"{shown(one.column)} ({one.reason})" for one in ordered[:NAMED])
    more = f"; and {len(ordered) - NAMED} more" if len(ordered) > NAMED else ""
    return f"{len(ordered)} columns moved: {named}{more}"


def _quiet(judged: Sequence[FeatureDrift], columns: int) -> str:
    nearest = min(judged, key=lambda one: one.p_value if one.p_value is not None else 1.0)
    return (
        f"{len(judged)} of {columns} columns judged, none moved by enough and beyond chance; "
        f"nearest is {shown(nearest.column)} ({nearest.reason})"
    )
