"""The champion gate: may the candidate take the place of who serves? By one of two stated policies.

*costly*: a swap is work, so the candidate must be better, beyond chance. *free*: a swap costs nothing and a fresh model is
rather better, so the candidate must not be clearly worse.
"""

from __future__ import annotations

from typing import Final

from airloop.contracts import Check, Outcome
from airloop.evaluation.blocks import LEAST
from airloop.evaluation.case import Case
from airloop.evaluation.comparison import Comparison
from airloop.evaluation.operating import POWER, blocks_needed, curve
from airloop.evaluation.proper import clearly_worse
from airloop.plugins.metric import find_metric
from airloop.specs.sections.gating import GatesSpec

NAME: Final = "champion"
#: The true gain whose power the report tells in words.
SMALL: Final = 0.01


def check(case: Case) -> Check:
    """Judge the candidate against who serves, on rows that neither learned from."""
    if case.champion is None:
        return Check(name=NAME, outcome=Outcome.OK, reason="no champion yet")
    if other := case.other_outputs:
        remedy = "retire the champion, or give the model another name: its callers would read other answers"
        return Check(name=NAME, outcome=Outcome.BAD, reason=f"{other}; {remedy}")
    if why := cannot_tell(case):
        return Check(name=NAME, outcome=Outcome.UNKNOWN, reason=why)
    gates = case.model.gates
    result = case.compare(case.incumbent_scores, case.unseen)
    whom = f"the champion (version {case.champion.version})"
    if not result.known:
        reason = f"{gates.primary} against {whom} is not a number"
        return Check(name=NAME, outcome=Outcome.UNKNOWN, reason=reason, figures=result.figures())
    threshold = needed_gain(gates, result)
    told, figures = _operating(case, result, threshold)
    worse = clearly_worse(case, case.incumbent_scores, case.unseen)
    passed = result.low > threshold
    asked = int(case.by_twin[case.unseen].sum())
    story = (
        f"{gates.primary} {result.candidate:.4f} against {result.other:.4f} of {whom} on "
        f"{case.blocks.of(case.unseen).told}: {result.gain:+.4f}, at least {result.low:+.4f} with "
        f"{gates.confidence:.0%} confidence"
    )
    if not passed:
        luck = "; the gain may be luck" if result.gain > threshold else ""
        story += f"{luck}, needed > {threshold:.4g}"
    twin = [f"its judged twin was asked for {asked} rows"] if asked else []
    reason = "; ".join([f"{gates.swap}: {story}", *worse, *twin, told])
    return Check(
        name=NAME,
        outcome=Outcome.OK if passed and not worse else Outcome.BAD,
        reason=reason,
        figures=result.figures() | figures | {"rows_by_twin": asked},
    )


def cannot_tell(case: Case) -> str:
    """Why the rows that the champion did not learn from say nothing of it; empty where they do."""
    rows, least = int(case.unseen.sum()), case.model.gates.min_holdout_rows
    seen = len(case.truth) - rows
    learned = f"; the champion learned from {seen} of the holdout rows" if seen else ""
    if rows < least:
        return f"{rows} holdout rows, gates.min_holdout_rows asks for {least}{learned}"
    blocks = case.blocks.of(case.unseen)
    if len(blocks) < LEAST:
        return (
            f"{blocks.told} says nothing of other {blocks.unit}s, {LEAST} are needed{learned}: "
            "hold out more (training.holdout)"
        )
    return ""


def needed_gain(gates: GatesSpec, result: Comparison) -> float:
    """What the lower bound must exceed, by the policy of the spec."""
    if gates.swap == "costly":
        return gates.champion_margin
    return -gates.margin * _unit(gates.primary, result)


def _unit(name: str, result: Comparison) -> float:
    """What 1 is of a metric: itself, or the champion's own figure where the metric has the label's unit."""
    return abs(result.other) if getattr(find_metric(name), "in_label_units", False) else 1.0


def _operating(
    case: Case, result: Comparison, threshold: float
) -> tuple[str, dict[str, float | int | str | None]]:
    """The operating curve for this model's noise on these days, in words and figures."""
    gates = case.model.gates
    unit = _unit(gates.primary, result)
    bounds = {"threshold": threshold, "confidence": gates.confidence}
    chances = curve(result, unit=unit, **bounds)
    needed = blocks_needed(result, SMALL * unit, **bounds)
    days = "no number would do" if needed is None else f"{needed} {case.blocks.unit}s"
    small = f" ({POWER:.0%} needs {days})"
    parts = (
        f"{true:+g} in {part:.0%}{small if true == SMALL else ''}"
        for true, part in chances.items()
        if true
    )
    gains = "true gains" if unit == 1.0 else "true gains, in shares of the champion's figure,"
    story = f"with this noise equals pass in {chances[0.0]:.1%}, {gains} of {', '.join(parts)}"
    figures: dict[str, float | int | str | None] = {
        "swap": gates.swap,
        "threshold": round(threshold, 6),
        "confidence": gates.confidence,
        "needed_blocks": needed,
    }
    return story, figures | {
        f"passes_at_{true:+g}": round(part, 4) for true, part in chances.items()
    }
