"""The spec's own bounds on the metrics. A hard season is no fault of the candidate: the champion is held to them as well."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from airloop.contracts import Check, Outcome
from airloop.evaluation.case import Case
from airloop.evaluation.gates import too_few
from airloop.evaluation.metrics import evaluate, gain
from airloop.evaluation.parts import figure, judged_by
from airloop.evaluation.swap import cannot_tell
from airloop.specs.sections.gating import Threshold

NAME: Final = "absolute"


def check(case: Case) -> Check:
    """Every threshold of the spec holds on the holdout; or the champion misses it too, on the same rows and by more."""
    if few := too_few(case, len(case.truth)):
        return Check(name=NAME, outcome=Outcome.UNKNOWN, reason=few)
    gates = case.model.gates
    metrics = evaluate(case.model.goal, case.truth, case.scores, case.model.metrics)
    metrics |= {name: figure(case.model, name, case.truth, case.scores) for name in gates.absolute}
    bad: list[str] = []
    unknown: list[str] = []
    excused: list[str] = []
    for name, bound in gates.absolute.items():
        value = metrics[name]
        if not math.isfinite(value):
            unknown.append(f"{name} is not a number")
        elif missed := _missed(name, value, bound):
            season = _hard_season(case, name, bound)
            (excused if season else bad).append(f"{missed}{season}")
    outcome = Outcome.BAD if bad else Outcome.UNKNOWN if unknown else Outcome.OK
    names = ", ".join(f"{name} {metrics[name]:.4f}" for name in gates.absolute)
    reason = "; ".join(bad + unknown + excused) or names
    figures: dict[str, float | int | str | None] = {
        name: round(value, 6) for name, value in metrics.items()
    }
    return Check(name=NAME, outcome=outcome, reason=reason, figures=figures)


def _missed(name: str, value: float, bound: Threshold) -> str:
    if bound.min is not None and value < bound.min:
        return f"{name} {value:.4f} is below {bound.min}"
    if bound.max is not None and value > bound.max:
        return f"{name} {value:.4f} is above {bound.max}"
    return ""


def _hard_season(case: Case, name: str, bound: Threshold) -> str:
    """What excuses a missed bound: that who serves misses it on the same rows, and is no better there."""
    if case.champion is None or cannot_tell(case):
        return ""
    truth = case.truth[case.unseen]
    ours = figure(case.model, name, truth, case.scores[case.unseen])
    theirs = figure(case.model, name, truth, case.incumbent_scores[case.unseen])
    better = gain(judged_by(case.model, name), np.array(ours), np.array(theirs)) >= 0
    if not _missed(name, theirs, bound) or not better:
        return ""
    return (
        f", a hard season: the champion (version {case.champion.version}) has {theirs:.4f} "
        f"on the same rows, the candidate {ours:.4f}"
    )
