"""Whether a version may meet more requests: its figures against the champion's at the same time. Pure.

A share is over its bound where so many would come by chance less than once in a hundred steps if the version kept it. So few
requests can show that a version is bad, and only many that it is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pydantic import Field

from airloop.fields import Whole
from airloop.figures import Figures
from airloop.plugins.rollout import Move, RolloutSpec, Seen, Standing, Verdict

#: The chance that a version which keeps its bounds is taken back by one of them in a step.
CHANCE: Final = 0.01
#: Fewer answers say nothing of the slowest percent, fewer compared rows nothing of how many differ.
LEAST: Final = 50
#: A version may answer by so much later, in milliseconds, however quick the champion is.
MOMENT_MS: Final = 20.0


class BoundedSpec(RolloutSpec):
    """The bounds of a strategy that watches a version while requests meet it."""

    #: So many requests of a step are enough to go on.
    requests: Whole = Field(default=200, ge=1)
    #: With fewer after so many minutes, the step is judged by those that there were, be it none.
    patience_minutes: float = Field(default=30, gt=0, le=10_080, allow_inf_nan=False)
    #: The share of requests that it could not answer, or not in time, beyond the champion's.
    errors: float = Field(default=0.01, ge=0, lt=1, allow_inf_nan=False)
    #: The share without a finite answer.
    not_finite: float = Field(default=0.0, ge=0, lt=1, allow_inf_nan=False)
    #: How many times the champion's 99th percentile its own may be.
    slower: float = Field(default=2.0, ge=1, le=100, allow_inf_nan=False)
    #: The share of rows that it answers by more than a standard deviation of the champion's answers apart.
    disagreement: float = Field(default=0.1, ge=0, lt=1, allow_inf_nan=False)


def judged(spec: BoundedSpec, standing: Standing) -> Verdict:
    """What follows on a step."""
    seen, figures = standing.candidate, _figures(standing)
    wrong = list(_wrong(spec, standing))
    if wrong:
        return Verdict(move=Move.BACK, reason="; ".join(wrong), figures=figures)
    late = standing.minutes >= spec.patience_minutes
    if lacking := list(_lacking(spec, seen)):
        if not late:
            reason = f"not seen enough yet: {', '.join(lacking)}"
            return Verdict(move=Move.WAIT, reason=reason, figures=figures)
        reason = f"nothing speaks against it after {standing.minutes:.0f} minutes, with {', '.join(lacking)}"
        return Verdict(move=Move.ON, reason=reason, figures=figures)
    reason = f"{seen.asked} requests within all bounds"
    return Verdict(move=Move.ON, reason=reason, figures=figures)


def beyond(count: int, of: int, share: float, chance: float = CHANCE) -> bool:
    """Whether so many are more than chance makes of a version whose share this is at most."""
    if not count or count <= share * of:
        return False
    from scipy.stats import binom

    return float(binom.sf(count - 1, of, share)) < chance if share else True


def _wrong(spec: BoundedSpec, standing: Standing) -> Iterator[str]:
    champion, seen = standing.champion, standing.candidate
    own = champion.errors / champion.asked if champion.asked else 0.0
    if beyond(seen.errors, seen.asked, min(1.0, spec.errors + own)):
        yield f"{seen.errors} of {seen.asked} requests it could not answer, or not in time"
    if beyond(seen.not_finite, seen.asked, spec.not_finite):
        yield f"{seen.not_finite} of {seen.asked} requests it had no finite answer for"
    if beyond(seen.differing, seen.compared, spec.disagreement) and seen.compared >= LEAST:
        yield f"{seen.differing} of {seen.compared} rows it answers otherwise than the champion"
    if min(champion.answered, seen.answered) >= LEAST:
        most = max(spec.slower * champion.p99_ms, champion.p99_ms + MOMENT_MS)
        if seen.p99_ms > most:
            yield f"its slowest percent takes {seen.p99_ms:.3g} ms, the champion's {champion.p99_ms:.3g} ms"


def _lacking(spec: BoundedSpec, seen: Seen) -> Iterator[str]:
    """What is known of too little to go on."""
    if seen.asked < spec.requests:
        yield f"{seen.asked} of {spec.requests} requests"
    if seen.compared < LEAST:
        yield f"{seen.compared} of {LEAST} rows compared"


def _figures(standing: Standing) -> Figures:
    champion, seen = standing.champion, standing.candidate
    return {
        "asked": seen.asked,
        "errors": seen.errors,
        "not_finite": seen.not_finite,
        "p99_ms": round(seen.p99_ms, 3),
        "compared": seen.compared,
        "differing": seen.differing,
        "minutes": round(standing.minutes, 1),
        "champion_asked": champion.asked,
        "champion_errors": champion.errors,
        "champion_p99_ms": round(champion.p99_ms, 3),
    }
