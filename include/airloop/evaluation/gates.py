"""The gates, all on by default: each says ok, bad or could not tell, and only ok moves a candidate forward."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np

from airloop.contracts import Check, GateReport, Outcome
from airloop.errors import TransientError
from airloop.evaluation import multiclass, quantiles
from airloop.evaluation.case import Case
from airloop.evaluation.gate import Gate
from airloop.evaluation.metrics import Floats, evaluate, expected_calibration_error
from airloop.evaluation.sensitivity import wobble
from airloop.plugins.gate import STANDING, GateSpec, gate_name
from airloop.plugins.registry import GATES, load, load_path
from airloop.specs.model import ModelSpec

log = logging.getLogger("airloop.gates")

#: By how much the probabilities of a row's classes may miss 1 together: what single precision makes of a few hundred.
WHOLE: Final = 1e-4
#: A gate, ready to be asked.
Ask = Callable[[Case], Check]


def judge(case: Case) -> GateReport:
    """Put a candidate through every gate, in order; one verdict never keeps the others from being heard.

    :raises TransientError: if a server was not reached: that says nothing about the candidate
    """
    checks = tuple(_asked(name, gate, case) for name, gate in gates_of(case.model).items())
    for one in checks:
        log.info("gate %s: %s, %s", one.name, one.outcome.value, one.reason)
    return GateReport(
        model=case.model.name,
        run_id=case.candidate.run_id,
        champion_version=case.champion.version if case.champion else None,
        checks=checks,
    )


def gates_of(model: ModelSpec) -> dict[str, Ask]:
    """The standing gates, in order, and then the model's own.

    :raises SpecError: if one cannot be loaded: a gate that is not there must not be a gate that was passed
    """
    standing = {name: _plugin(GateSpec(kind=name)) for name in STANDING}
    own = {gate_name(own): _own(own) for own in model.gates.own}
    return standing | own


def _plugin(spec: GateSpec) -> Ask:
    gate: Gate = load(GATES, spec.kind)
    return partial(gate.check, spec=spec)


def _own(own: str | GateSpec) -> Ask:
    if isinstance(own, GateSpec):
        return _plugin(own)
    function: Ask = load_path(GATES, own)
    return function


def _asked(name: str, gate: Ask, case: Case) -> Check:
    try:
        said = gate(case)
        if not isinstance(said, Check):
            raise TypeError(f"a gate returns a Check, not {type(said).__name__}")
        # Under the gate's own name, whatever it calls itself: none can speak for another.
        return said.model_copy(update={"name": name})
    except TransientError:
        raise
    # A gate that fails has not seen the candidate to be good; whatever it was, it is said.
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {error}"
        return Check(name=name, outcome=Outcome.UNKNOWN, reason=reason[:500])


def signature(case: Case) -> Check:
    """The artifact opens, takes the spec's inputs, answers every row, and as it did at training."""
    loaded, task = case.loaded, case.model.task
    if loaded.spec.inputs != case.model.inputs or loaded.spec.task != task:
        differing = sorted(set(loaded.spec.inputs) ^ set(case.model.inputs)) or task
        return _check("signature", False, f"inputs or task differ from the spec's: {differing}")
    if loaded.spec.answers != case.model.answers:
        return _check(
            "signature",
            False,
            f"it answers {loaded.spec.answer.told}, the spec declares {case.model.answer.told}",
        )
    if task == "classification" and not are_probabilities(case.scores):
        return _check("signature", False, "an answer is not a probability")
    if case.model.goal == "labels" and not np.isin(case.scores, (0.0, 1.0)).all():
        return _check("signature", False, "an answer is not one of the classes")
    if case.model.answer.levels and not (np.diff(case.scores) >= 0).all():
        return _check("signature", False, "an answer's quantiles are out of order")
    again = evaluate(case.model.goal, case.truth, case.scores, case.model.metrics)
    recorded = case.candidate.metrics
    known = {name: value for name, value in again.items() if math.isfinite(value)}
    if not known:
        reason = f"no metric is defined on these {len(case.truth)} holdout rows"
        return Check(name="signature", outcome=Outcome.UNKNOWN, reason=reason)
    moved = {name: abs(value - recorded.get(name, math.nan)) for name, value in known.items()}
    allowed = {name: wobble(name, case.truth, case.scores) for name in known}
    if not all(distance <= allowed[name] for name, distance in moved.items()):
        reason = "the metrics on the holdout are not those recorded at training: other rows or another model"
        return Check(name="signature", outcome=Outcome.UNKNOWN, reason=reason, figures={**moved})
    figures = {"rows": len(case.truth), "features": len(loaded.features), "runtime": loaded.runtime}
    reason = f"opens from its artifact ({loaded.runtime}) and answers {len(case.truth)} rows"
    return Check(name="signature", outcome=Outcome.OK, reason=reason, figures=figures)


def baseline(case: Case) -> Check:
    """Better than always answering the training days' mean label, by the margin and beyond chance."""
    if few := too_few(case, len(case.truth)):
        return Check(name="baseline", outcome=Outcome.UNKNOWN, reason=few)
    gates, result = case.model.gates, case.compare(case.baseline)
    margin = gates.baseline_margin
    figures = result.figures() | {"margin": margin, "confidence": gates.confidence}
    if not result.known:
        reason = f"{gates.primary} against the trivial baseline is not a number"
        return Check(name="baseline", outcome=Outcome.UNKNOWN, reason=reason, figures=figures)
    story = (
        f"{gates.primary} {result.candidate:.4f} against {result.other:.4f} of the trivial baseline: "
        f"{result.gain:+.4f}, at least {result.low:+.4f} with {gates.confidence:.0%} confidence"
    )
    if result.low > margin:
        return Check(name="baseline", outcome=Outcome.OK, reason=story, figures=figures)
    luck = "; the gain may be luck" if result.gain > margin else ""
    reason = f"{story}{luck}, needed > {margin}"
    return Check(name="baseline", outcome=Outcome.BAD, reason=reason, figures=figures)


def calibration(case: Case) -> Check:
    """For information, never a reason to refuse: how far predicted and observed rates lie apart."""
    if levels := case.model.answer.levels:
        shares = quantiles.below(case.truth, case.scores)
        told = ", ".join(
            f"{name} {share:.1%}"
            for name, share in zip(case.model.answer.names, shares, strict=True)
        )
        return _calibrated(
            float(np.abs(shares - levels).mean()), {}, f"; of the values not above {told}"
        )
    if case.model.goal == "values":
        off = (case.scores - case.truth).mean(axis=0)
        told = ", ".join(
            f"{name} {one:+.4g}" for name, one in zip(case.model.answer.names, off, strict=True)
        )
        return Check(name="calibration", outcome=Outcome.OK, reason=f"mean error {told}")
    if case.model.goal == "vector":
        off = float(np.linalg.norm((case.scores - case.truth).mean(axis=0)))
        size = float(np.linalg.norm(case.truth, axis=1).mean())
        reason = f"the mean error is {off:.4g} long, a vector that came true {size:.4g}"
        return Check(name="calibration", outcome=Outcome.OK, reason=reason)
    if case.model.task == "regression":
        bias = float(np.mean(case.scores - case.truth))
        return Check(name="calibration", outcome=Outcome.OK, reason=f"mean error {bias:+.4g}")
    if case.model.goal == "labels":
        was = multiclass.is_of(case.truth, case.scores.shape[1]).mean(axis=0)
        both = zip(case.model.answer.names, case.scores.mean(axis=0), was, strict=True)
        told = ", ".join(
            f"{name} {said:.1%} of the rows, it was {there:.1%}" for name, said, there in both
        )
        return Check(name="calibration", outcome=Outcome.OK, reason=f"answered {told}")
    if case.model.goal == "multiclass":
        error = multiclass.calibration_error(case.truth, case.scores)
        return _calibrated(error, {})
    error = expected_calibration_error(case.truth, case.scores)
    figures: dict[str, float | int | str | None] = {
        "predicted_rate": round(float(case.scores.mean()), 5),
        "observed_rate": round(float(case.truth.mean()), 5),
    }
    return _calibrated(error, figures)


def _calibrated(
    error: float, figures: dict[str, float | int | str | None], more: str = ""
) -> Check:
    reason = f"for information: calibration error {error:.3f}{more}"
    told = {"calibration_error": round(error, 5), **figures}
    return Check(name="calibration", outcome=Outcome.OK, reason=reason, figures=told)


def are_probabilities(scores: Floats) -> bool:
    """Whether each number is one, and those of a row's classes together are 1."""
    between = bool(((scores >= 0) & (scores <= 1)).all())
    return between and (scores.ndim == 1 or bool((abs(scores.sum(axis=1) - 1) <= WHOLE).all()))


def too_few(case: Case, rows: int) -> str:
    """Why so few rows say nothing; empty where they are enough."""
    least = case.model.gates.min_holdout_rows
    return f"{rows} holdout rows, gates.min_holdout_rows asks for {least}" if rows < least else ""


def _check(name: str, good: bool, reason: str) -> Check:
    return Check(name=name, outcome=Outcome.OK if good else Outcome.BAD, reason=reason)
