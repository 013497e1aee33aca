"""How far apart two answers may be that are to be the same: relative to their size and to their type's step."""

from __future__ import annotations

from typing import Final

import numpy as np

from airloop.registry.frozen import Scores

#: Answers of two runtimes, or of one after its libraries changed: float32 sums, in another order.
RUNTIMES: Final = 1e-6
#: The same code on the same numbers in batches of another size, where it computes in double precision …
DOUBLE: Final = 1e-9
#: … and in single precision, whose step is 1.2e-7 of a value: sixteen of them.
SINGLE: Final = 16 * float(np.finfo(np.float32).eps)


def beyond(answers: Scores, expected: Scores, relative: float, *, floor: float = 0.0) -> float:
    """The largest distance in units of what is allowed: above 1, they are not the same.

    An answer near zero among large ones carries the error of the sums that it came from, so a value counts at least as
    much as the typical one. Of several numbers a row each is held against its own: they may be of other units.

    :param floor: the least size of a value; 1 for probabilities, whose steps are those of numbers up to 1
    """
    if not len(expected):
        return 0.0
    size = np.maximum(np.abs(expected), np.maximum(np.mean(np.abs(expected), axis=0), floor))
    allowed = np.maximum(relative * size, np.finfo(np.float64).tiny)
    with np.errstate(invalid="ignore"):
        worst = float(np.max(np.abs(answers - expected) / allowed))
    return worst if np.isfinite(worst) else float("inf")


def floor_of(task: str) -> float:
    """The least size of an answer, by the model's task."""
    return 1.0 if task == "classification" else 0.0


def batches(expected: Scores) -> float:
    """What answers of the same code may differ by: numbers that single precision holds exactly came from there."""
    single = np.asarray(expected, dtype=np.float32).astype(np.float64)
    return SINGLE if np.array_equal(single, expected) else DOUBLE
