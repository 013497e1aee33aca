"""How much a metric moves where the answers move by what two runtimes may differ by.

A rank metric jumps where ties break: average precision by 3e-5, for answers that are the same to 1e-6. So a metric that
one runtime recorded and another one gives is judged by the metric's own sensitivity on these very answers.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from airloop.evaluation.metrics import Floats, metric
from airloop.registry.tolerance import RUNTIMES

#: What sums in another order may change of a metric, of its size.
SUMS: Final = 1e-5
#: Draws of small changes, and how far beyond the worst of them the truth may lie.
DRAWS: Final = 8
SAFETY: Final = 3.0


def wobble(name: str, truth: Floats, scores: Floats, seed: int = 0) -> float:
    """The distance within which two values of a metric are the same for the same model."""
    value = metric(name, truth, scores)
    # Of several numbers a row each by its own size: they may be of other units.
    size = RUNTIMES * np.maximum(np.mean(np.abs(scores), axis=0), np.std(scores, axis=0))
    random = np.random.default_rng(seed)
    # Ties are broken by the small changes, and answers that hardly differ become ties by rounding.
    changed = [scores + random.uniform(-size, size, scores.shape) for _ in range(DRAWS)]
    changed.append(
        np.where(size > 0, np.round(scores / np.where(size > 0, size, 1)) * size, scores)
    )
    moved = [abs(metric(name, truth, one) - value) for one in changed]
    return SUMS * max(abs(value), min(1.0, float(np.max(size)) / RUNTIMES)) + SAFETY * max(moved)
