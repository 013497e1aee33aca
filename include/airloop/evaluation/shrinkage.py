"""Many noisy gains of one model, each drawn towards what they share: empirical Bayes.

Twelve slices are no twelve independent verdicts: the worst of them looks bad by chance. The gains are taken as draws
around a common one (DerSimonian and Laird, 1986); how far each is drawn towards it follows from its own error and from
how much the gains truly differ. One broken slice among good ones makes that difference large, and is then believed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from airloop.evaluation.metrics import Floats

#: Of how many blocks' worth the slices' common variance is, against each slice's own (Smyth, 2004): few days tell a
#: variance badly.
PRIOR_FREEDOM: Final = 4.0
_TINY: Final = 1e-18


@dataclass(frozen=True)
class Pooled:
    """Each gain as all of them together tell it, with its error and that error's degrees of freedom."""

    gains: Floats
    errors: Floats
    freedom: Floats


def pool(gains: Floats, errors: Floats, rows: Floats, blocks: Floats) -> Pooled:
    """Draw the gains together.

    :param errors: their standard errors
    :param rows: on how many rows each stands; variances go down with them
    :param blocks: from how many blocks each error was told
    """
    own = blocks - 1
    common = float(np.sum(own * errors**2 * rows) / np.sum(own)) / rows
    variance = (PRIOR_FREEDOM * common + own * errors**2) / (PRIOR_FREEDOM + own)
    freedom = PRIOR_FREEDOM + own
    if len(gains) == 1:
        return Pooled(gains, np.sqrt(variance), freedom)
    # Where all answers are the same there is no variance to weigh by.
    variance = np.maximum(variance, _TINY)
    between = _between(gains, variance)
    weights = 1 / (variance + between)
    mean = float(np.sum(weights * gains) / np.sum(weights))
    trust = between / (between + variance)
    spread = trust * variance + (1 - trust) ** 2 / np.sum(weights)
    return Pooled(mean + trust * (gains - mean), np.sqrt(spread), freedom)


def _between(gains: Floats, variance: Floats) -> float:
    """How much the true gains differ, as a variance."""
    weights = 1 / variance
    mean = np.sum(weights * gains) / np.sum(weights)
    excess = np.sum(weights * (gains - mean) ** 2) - (len(gains) - 1)
    scale = np.sum(weights) - np.sum(weights**2) / np.sum(weights)
    return max(0.0, float(excess / scale))
