"""Ways to bound a gain: how many equals each promotes, by the number of days. What the gates use is ``jackknife``."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import stdtrit

from airloop.evaluation.blocks import Blocks, dealt
from airloop.evaluation.comparison import compare
from airloop.evaluation.metrics import Floats, resampled
from bench.judge.trials import Duel

METRIC, CONFIDENCE, DRAWS = "roc_auc", 0.95, 299


def _gains(duel: Duel, weights: Any) -> Floats:
    ours, theirs = (
        resampled(METRIC, duel.truth, one, weights) for one in (duel.challenger, duel.champion)
    )
    return ours - theirs


def _whole(duel: Duel) -> float:
    return float(_gains(duel, np.ones((1, len(duel.truth))))[0])


def _drawn(duel: Duel, codes: Any) -> Floats:
    """Gains of resamples that draw blocks with replacement."""
    count = int(codes.max()) + 1
    random = np.random.default_rng(0)
    drawn = random.multinomial(count, np.full(count, 1 / count), size=DRAWS).astype(np.float64)
    return np.concatenate([_gains(duel, part[:, codes]) for part in np.array_split(drawn, 40)])


def _codes(duel: Duel) -> Any:
    return np.unique(duel.day, return_inverse=True)[1]


def bootstrapped(duel: Duel) -> dict[str, float]:
    """What a bootstrap makes of rows (dealt into 200 hands, for speed) and of days (Efron and Tibshirani, 1993)."""
    whole = _whole(duel)
    rows, days = _drawn(duel, np.arange(len(duel.day)) % 200), _drawn(duel, _codes(duel))
    return {
        "rows, percentile bootstrap": float(np.quantile(rows, 1 - CONFIDENCE)),
        "days, percentile bootstrap": float(np.quantile(days, 1 - CONFIDENCE)),
        "days, basic bootstrap": float(2 * whole - np.quantile(days, CONFIDENCE)),
        "days, the bootstrap's spread as a normal's": whole - 1.644854 * float(np.std(days)),
    }


def wild(duel: Duel) -> float:
    """The wild cluster bootstrap-t on the days' influence (Cameron, Gelbach and Miller, 2008), Webb's six weights."""
    codes = _codes(duel)
    count = int(codes.max()) + 1
    left = _gains(duel, (codes[None, :] != np.arange(count)[:, None]).astype(np.float64))
    gain = _whole(duel)
    influence = (count - 1) * (left.mean() - left) / count
    error = float(np.sqrt(np.sum(influence**2)))
    signs = np.array([-1.5, -1, -0.5, 0.5, 1, 1.5])
    webb = np.sign(signs) * np.sqrt(np.abs(signs))
    draws = np.random.default_rng(0).choice(webb, size=(DRAWS, count)) * influence
    centred = draws - draws.mean(axis=1, keepdims=True)
    ratios = draws.sum(axis=1) / np.maximum(np.sqrt((centred**2).sum(axis=1)), 1e-12)
    return gain - error * float(np.quantile(ratios, CONFIDENCE))


def jackknife(duel: Duel) -> float:
    """What the gates use."""
    blocks = Blocks(_codes(duel), "day")
    return compare(
        METRIC, duel.truth, duel.challenger, duel.champion, blocks, confidence=CONFIDENCE
    ).low


def jackknife_rows(duel: Duel) -> float:
    """The same by rows: what is wrong with rows, the method left as it is."""
    hands = dealt(len(duel.truth))
    result = compare(
        METRIC, duel.truth, duel.challenger, duel.champion, hands, confidence=CONFIDENCE
    )
    return result.gain - float(stdtrit(29, CONFIDENCE)) * result.error


def bounds(duel: Duel) -> dict[str, float]:
    """The lower bound of the gain by each method; the last is what the gates use."""
    return bootstrapped(duel) | {
        "days, wild bootstrap-t": wild(duel),
        "rows, jackknife": jackknife_rows(duel),
        "**days, jackknife with Student's bound**": jackknife(duel),
    }
