"""One segment's model, and nobody else's trouble."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from airloop.data.snapshot import Part, Split
from airloop.errors import AirloopError, DataError, TransientError
from airloop.registry.frozen import FrozenSpec
from airloop.registry.segments import formats, segment_names
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec
from airloop.training.conversion import convert
from airloop.training.fitted import Fitted, fit
from airloop.training.package import kinds
from airloop.training.segments.checks import segments_of
from airloop.training.segments.plan import Plan, PlannedSegment, divided
from airloop.training.segments.results import Result, SegmentOutcome
from airloop.training.trainer import FitPlace
from airloop.training.validation import with_training

log = logging.getLogger("airloop.segments")

#: The longest reason that is kept, in characters.
REASON = 300


@dataclass(frozen=True)
class SegmentRows:
    """The rows of one segment, by day and keys: the order does not depend on how the lake was read."""

    training: Part
    holdout: Part

    def split(self) -> Split:
        """For the model that answers."""
        return Split(self.training.frame, self.training, self.holdout)


def rows_of(model: ModelSpec, dataset: DatasetSpec, rows: Split) -> dict[str, SegmentRows]:
    """The labelled rows of every segment that has some on both sides."""
    training, holdout = (
        _by_segment(model, dataset, part) for part in (rows.training, rows.holdout)
    )
    return {
        name: SegmentRows(training[name], holdout[name])
        for name in training.keys() & holdout.keys()
    }


def attempt(
    model: ModelSpec,
    dataset: DatasetSpec,
    rows: SegmentRows,
    plan: Plan,
    segment: PlannedSegment,
    workdir: Path,
) -> Result:
    """Train one segment; whatever goes wrong in it is its result.

    :raises TransientError: if it was not the segment's fault
    """
    try:
        return train(model, dataset, rows, plan, workdir)
    except TransientError:
        raise
    except AirloopError as error:
        reason = str(error)
    # A user's code and a library may raise anything: that is this segment's failure alone.
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        log.debug("segment %s", segment.name, exc_info=True)
    result = failure(reason)
    log.warning("segment %s failed: %s", segment.name, result.outcome.reason)
    return result


def failure(reason: str) -> Result:
    """A segment's failure, in one line."""
    return Result(SegmentOutcome(trained=False, reason=" ".join(reason.split())[:REASON]))


def train(
    model: ModelSpec, dataset: DatasetSpec, rows: SegmentRows, plan: Plan, workdir: Path
) -> Result:
    """Fit twice: on the earlier training days, to be judged on the later ones, then on all of them, to answer.

    :raises AirloopError: if it cannot be fitted
    """
    began = time.perf_counter()
    # The global fit needs training.min_rows, a segment needs segments.min_rows; and one process trains many.
    variant = with_training(model, min_rows=1, processes=1)
    judged = _fit(variant, dataset, divided(dataset, rows.training, plan.judging), plan.params)
    fitted = _fit(variant, dataset, rows.split(), plan.params)
    folder = Path(workdir, "segment")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    features = kinds(fitted.features)
    frozen = FrozenSpec(model=variant, dataset=dataset, features=features)
    conversion = convert(fitted, frozen, folder)
    if not conversion.kept:
        fitted.trainer.save(fitted.estimator, folder)
    outcome = SegmentOutcome(
        trained=True,
        reason=f"fitted on {fitted.training_rows} rows, onnx {conversion.reason}",
        features=features,
        judged_truth=tuple(np.asarray(judged.truth, np.float64).tolist()),
        judged=tuple(judged.scores.tolist()),
        held=tuple(fitted.scores.tolist()),
        seconds=time.perf_counter() - began,
    )
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name in formats()}
    return Result(outcome, files)


def _fit(model: ModelSpec, dataset: DatasetSpec, rows: Split, params: Mapping[str, Any]) -> Fitted:
    with TemporaryDirectory(prefix="airloop-segment-") as scratch:
        fitted = fit(model, dataset, rows, params, FitPlace(Path(scratch)))
    if not np.isfinite(fitted.scores).all():
        raise DataError("the model does not answer every row with a number")
    return fitted


def _by_segment(model: ModelSpec, dataset: DatasetSpec, part: Part) -> dict[str, Part]:
    frame = part.frame.sort_values([dataset.key_column, *dataset.keys], kind="stable")
    truth = part.truth.loc[frame.index]
    names = segment_names(dataset, segments_of(model).column, frame)
    groups = frame.groupby(names, sort=False).indices
    return {
        str(name): Part(frame.iloc[places], truth.iloc[np.asarray(places)], 0)
        for name, places in groups.items()
    }
