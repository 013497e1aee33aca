"""The global model and the segments' as one: each segment is answered by its own model where that one is better.

Which is better is decided on the last of the training days, which for this purpose neither model has seen. Never on the
days held out for the gates: of two hundred pairs the better figure is often luck, and a choice by it on those days would
flatter the whole on the very rows it is judged by.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from airloop.data.snapshot import Split
from airloop.errors import AirloopError, TransientError
from airloop.evaluation.metrics import higher_is_better, metric
from airloop.registry import artifacts
from airloop.registry.frozen import FrozenSpec, Scorer
from airloop.registry.loader import open_scorer
from airloop.registry.segments import Routing, SegmentEntry, SegmentTable, archive, open_models
from airloop.registry.tolerance import RUNTIMES, beyond, floor_of
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec
from airloop.training.composite import Composite
from airloop.training.fitted import Fitted, fit
from airloop.training.package import kinds
from airloop.training.segments.checks import segments_of
from airloop.training.segments.fitting import SegmentRows, rows_of
from airloop.training.segments.plan import Plan, PlannedSegment, divided
from airloop.training.segments.results import Results, SegmentOutcome
from airloop.training.trainer import FitPlace
from airloop.training.validation import with_training

log = logging.getLogger("airloop.segments")


def collect(
    model: ModelSpec,
    dataset: DatasetSpec,
    rows: Split,
    fitted: Fitted,
    plan: Plan,
    results: Results,
) -> Composite:
    """Compare every segment's model with the global one, and put those that are better beside it.

    :param fitted: the global model
    :raises TransientError: if a store does not answer
    """
    there = rows_of(model, dataset, rows)
    overall = _judged(model, dataset, rows, plan)
    entries = [_left_out(one.name, one.rows, one.reason) for one in plan.left_out]
    files: dict[int, dict[str, bytes]] = {}
    scorers: dict[int, Scorer] = {}
    for segment in plan.segments:
        result = results.read(segment)
        if result is None or not result.outcome.trained:
            why = result.outcome.reason if result else "its process ended before it was trained"
            entries.append(_entry(segment, "failed", why))
            continue
        entry = _compared(model, dataset, segment, result.outcome, there, overall, plan)
        if entry.status == "own":
            try:
                scorers[segment.number] = _opened(
                    model, dataset, fitted, there[segment.name], result.outcome, result.files
                )
                files[segment.number] = result.files
            except AirloopError as error:
                entry = _entry(segment, "failed", str(error))
        entries.append(entry)
    table = _table(model, entries)
    log.info("%s", table.reason)
    return _composite(dataset, rows, fitted, table, files, scorers)


def _table(model: ModelSpec, entries: list[SegmentEntry]) -> SegmentTable:
    return SegmentTable(
        column=segments_of(model).column,
        metric=model.gates.primary,
        segments=tuple(sorted(entries, key=lambda entry: entry.segment)),
    )


def _composite(
    dataset: DatasetSpec,
    rows: Split,
    fitted: Fitted,
    table: SegmentTable,
    files: dict[int, dict[str, bytes]],
    scorers: dict[int, Scorer],
) -> Composite:
    own = {entry.segment: entry.number for entry in table.segments if entry.number is not None}
    routing = Routing(table.column, own, scorers)
    numbers = routing.of(dataset, rows.holdout.frame)
    return Composite(
        fitted=fitted,
        table=table,
        models=archive(files) if files else None,
        routing=routing,
        numbers=pd.Series(numbers, index=fitted.features.index),
    )


def _judged(
    model: ModelSpec, dataset: DatasetSpec, rows: Split, plan: Plan
) -> pd.Series[float] | str:
    """The answers of a global model that has not seen the judging days to those days; or why there are none."""
    parts = divided(dataset, rows.training, plan.judging)
    variant = with_training(model, min_rows=1)
    try:
        with TemporaryDirectory(prefix="airloop-judge-") as scratch:
            fitted = fit(variant, dataset, parts, plan.params, FitPlace(Path(scratch)))
    except TransientError:
        raise
    except AirloopError as error:
        return str(error)
    return pd.Series(fitted.scores, index=fitted.features.index)


def _compared(
    model: ModelSpec,
    dataset: DatasetSpec,
    segment: PlannedSegment,
    outcome: SegmentOutcome,
    there: dict[str, SegmentRows],
    overall: pd.Series[float] | str,
    plan: Plan,
) -> SegmentEntry:
    """Whether a segment's model is better than the global one on its judging rows; could not tell is no."""
    name = model.gates.primary
    if isinstance(overall, str):
        return _entry(segment, "not better", f"could not tell: the global model: {overall}")
    part = divided(dataset, there[segment.name].training, plan.judging).holdout
    truth = part.truth.to_numpy(dtype=np.float64)
    if not np.array_equal(truth, np.array(outcome.judged_truth)):
        return _entry(segment, "failed", "its rows are not those of the plan")
    own = metric(name, truth, np.array(outcome.judged))
    other = metric(name, truth, overall.loc[part.frame.index].to_numpy())
    if not (math.isfinite(own) and math.isfinite(other)):
        reason = f"could not tell: {name} is not defined on its {len(truth)} judging rows"
        return _entry(segment, "not better", reason)
    better = own > other if higher_is_better(name) else own < other
    told = f"{name} {own:.4f} against {other:.4f} of the global model on {len(truth)} rows"
    return SegmentEntry(
        segment=segment.name,
        rows=segment.rows,
        number=segment.number if better else None,
        status="own" if better else "not better",
        own=own,
        overall=other,
        reason=told,
    )


def _opened(
    model: ModelSpec,
    dataset: DatasetSpec,
    fitted: Fitted,
    rows: SegmentRows,
    outcome: SegmentOutcome,
    files: dict[str, bytes],
) -> Scorer:
    """A segment's model as whoever answers will open it.

    :raises AirloopError: if it cannot be opened, or does not answer as it did where it was trained
    """
    if outcome.features != (wanted := kinds(fitted.features)):
        raise AirloopError(
            "features() makes other columns of this segment's rows", value=sorted(wanted)
        )
    frozen = FrozenSpec(model=model, dataset=dataset, features=wanted)
    with TemporaryDirectory(prefix="airloop-open-") as scratch:
        path = Path(scratch, artifacts.SEGMENT_MODELS)
        path.write_bytes(archive({0: files}))
        scorer = open_models(path, frozen, lambda part, spec: open_scorer(part, spec)[1])[0]
    features = fitted.features.loc[rows.holdout.frame.index]
    held = np.array(outcome.held)
    if beyond(scorer(features), held, RUNTIMES, floor=floor_of(model.task)) > 1:
        raise AirloopError("its model does not answer as it did where it was trained")
    return scorer


def _left_out(name: str, rows: int, reason: str) -> SegmentEntry:
    return SegmentEntry(segment=name, rows=rows, number=None, status="left out", reason=reason)


def _entry(segment: PlannedSegment, status: str, reason: str) -> SegmentEntry:
    log.warning("segment %s is answered by the global model: %s", segment.name, reason)
    return SegmentEntry.model_validate(
        {
            "segment": segment.name,
            "rows": segment.rows,
            "number": None,
            "status": status,
            "reason": reason,
        }
    )
