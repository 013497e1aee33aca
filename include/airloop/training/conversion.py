"""From an estimator to ONNX, when that is possible and answers the same."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from airloop.errors import ArtifactError
from airloop.registry import artifacts
from airloop.registry.formats.graphs import onnx_scorer
from airloop.registry.frozen import FrozenSpec
from airloop.registry.tolerance import RUNTIMES, beyond, floor_of
from airloop.training.fitted import Fitted
from airloop.training.probes import disparity
from airloop.training.trainer import Number

log = logging.getLogger("airloop.training")

NUMBERS: tuple[Number, ...] = ("double", "float")


@dataclass(frozen=True)
class Conversion:
    """What came of it: whether ``model.onnx`` was kept, how far apart the answers were at most, and why."""

    kept: bool
    difference: float | None
    reason: str


def convert(fitted: Fitted, frozen: FrozenSpec, folder: Path) -> Conversion:
    """Write ``model.onnx`` if ONNX Runtime answers every holdout row as the estimator does.

    Double inputs first: their trees sum in double and come a digit nearer; not every operator takes them.
    """
    path = folder / artifacts.ONNX
    last = Conversion(False, None, "not tried")
    for number in NUMBERS:
        try:
            path.write_bytes(_onnx(fitted, frozen, number))
            scorer = onnx_scorer(path, frozen)
            answers = scorer(fitted.features)
        # Converters raise whatever their authors chose; without ONNX the model serves by its own library.
        except (Exception, ArtifactError) as error:
            last = Conversion(False, None, f"{type(error).__name__}: {str(error)[:200]}")
        else:
            difference = float(np.abs(answers - fitted.scores).max())
            floor = floor_of(frozen.model.task)
            reason = f"answers differ by up to {difference:.2g}"
            if beyond(answers, fitted.scores, RUNTIMES, floor=floor) <= 1:
                ours = fitted.trainer.scorer(fitted.estimator, frozen.model.answers)
                reason = disparity(fitted.features, ours, scorer, floor)
                if not reason:
                    return Conversion(True, difference, f"in parity with {number} inputs")
            last = Conversion(False, difference, reason)
        path.unlink(missing_ok=True)
    log.warning("no ONNX model: %s; the service will run %s", last.reason, fitted.trainer.library)
    return last


def _onnx(fitted: Fitted, frozen: FrozenSpec, number: Number) -> bytes:
    return fitted.trainer.onnx(fitted.estimator, frozen, number)
