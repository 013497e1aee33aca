"""What a training of segments consists of: which segments of the pinned rows are trained, and in which packs.

Written once into the step store, so that every pack and the training that collects them see the same rows, the same
parameters and the same order, whenever they run.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from pydantic import Field

from airloop.contracts import Contract, DatasetRef, Name, PartitionKey
from airloop.data.rows import rows_in
from airloop.data.snapshot import Days, Part, Split
from airloop.errors import DataError, RequestError
from airloop.exchange.blobs import BlobStore
from airloop.fields import HalfLife
from airloop.registry import lineage
from airloop.registry.segments import segment_names
from airloop.settings import Settings
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec
from airloop.specs.modules import find_module
from airloop.specs.sections.segments import SegmentsSpec
from airloop.training.segments.checks import check_named, segments_of
from airloop.training.validation import judging_days, with_training

#: More models than this are no longer one deployable unit: they are all loaded by whoever answers.
MAX_SEGMENTS = 2_000
#: Airflow's limit on mapped tasks is 1,024 by default.
MAX_PACKS = 1_000
FOLDER = "segment_plans"
PLAN = "plan.json"


class PlannedSegment(Contract):
    """One that is trained."""

    number: int = Field(ge=0)
    name: str
    #: Labelled training rows.
    rows: int
    pack: int = Field(ge=0)


class LeftOut(Contract):
    """One that is not trained, and why."""

    name: str
    rows: int
    reason: str


class Plan(Contract):
    """All segments of one training."""

    model: Name
    dataset: DatasetRef
    training: tuple[PartitionKey, ...]
    holdout: tuple[PartitionKey, ...]
    #: The last of the training days, which say whether a segment's model is better than the global one.
    judging: tuple[PartitionKey, ...]
    params: dict[str, Any]
    #: In how long a row loses half of its weight, in each fit. Plans of before say nothing: what the spec says holds.
    half_life: HalfLife | None = None
    segments: tuple[PlannedSegment, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def packs(self) -> tuple[int, ...]:
        """Their numbers; there is always one, which may have nothing to do."""
        return tuple(sorted({segment.pack for segment in self.segments})) or (0,)

    def of(self, pack: int) -> tuple[PlannedSegment, ...]:
        """The segments of one pack."""
        return tuple(segment for segment in self.segments if segment.pack == pack)

    def applied(self, model: ModelSpec) -> ModelSpec:
        """The model with what was chosen with the plan, for the fits of segments and the global one alike."""
        return model if self.half_life is None else with_training(model, half_life=self.half_life)


def make(
    model: ModelSpec,
    dataset: DatasetSpec,
    ref: DatasetRef,
    days: Days,
    rows: Split,
    params: Mapping[str, Any],
) -> Plan:
    """Count the rows of every segment and divide those that are large enough into packs.

    :raises DataError: if a row names no segment, or there are too many segments
    """
    spec = segments_of(model)
    check_named(dataset, spec.column, rows.everything)
    judging = judging_days(model, dataset, rows)
    counts = _counts(dataset, spec.column, rows, judging)
    trained, left_out = [], []
    for name, count in sorted(counts["training"].items(), key=lambda one: (-one[1], str(one[0]))):
        reason = _too_small(
            spec, int(count), *(int(counts[part].get(name, 0)) for part in ("judging", "holdout"))
        )
        if reason:
            left_out.append(LeftOut(name=str(name), rows=int(count), reason=reason))
        else:
            trained.append((str(name), int(count)))
    _check_number(spec, len(trained))
    return Plan(
        model=model.name,
        dataset=ref,
        training=days.training,
        holdout=days.holdout,
        judging=judging,
        params=dict(params),
        half_life=model.training.half_life,
        segments=_packed(trained, spec.pack),
        left_out=tuple(left_out),
    )


def _counts(
    dataset: DatasetSpec, column: str, rows: Split, judging: Sequence[str]
) -> dict[str, pd.Series[int]]:
    """How many rows each segment has, by part."""
    later = rows_in(dataset, rows.training.frame, judging)
    names = segment_names(dataset, column, rows.training.frame)
    held = segment_names(dataset, column, rows.holdout.frame)
    return {
        "training": pd.Series(names).value_counts(),
        "judging": pd.Series(names[later]).value_counts(),
        "holdout": pd.Series(held).value_counts(),
    }


def identity(key: str, model: ModelSpec, dataset: DatasetSpec, ref: DatasetRef, params: Any) -> str:
    """A plan's name: another spec, other rows, parameters or code are another plan, whose results are not mixed."""
    module = find_module(model.module)
    made_of = {
        "key": key,
        "model": model.model_dump(mode="json"),
        "dataset": dataset.model_dump(mode="json"),
        "rows": ref.digest,
        "params": params,
        "module": hashlib.sha256(module.read_bytes()).hexdigest() if module else None,
        "code": lineage.git_revision(),
        "libraries": lineage.library_versions(),
    }
    text = json.dumps(made_of, sort_keys=True, default=str)
    return f"{model.name}-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def store_of(settings: Settings, name: str) -> BlobStore:
    """Where a plan and its results lie."""
    uri = f"{settings.step_store_uri.rstrip('/')}/{FOLDER}/{name}"
    return BlobStore(uri, settings.storage_options)


def write(settings: Settings, name: str, plan: Plan) -> None:
    """Keep a plan under its name.

    :raises StorageFullError: if there is no space left
    :raises UnreachableError: if the store does not answer
    """
    store_of(settings, name).write(PLAN, plan.model_dump_json().encode())


def read(settings: Settings, name: str) -> Plan:
    """The plan of this name.

    :raises RequestError: if there is none
    :raises UnreachableError: if the store does not answer
    """
    store = store_of(settings, name)
    content = store.read(PLAN)
    if content is None:
        raise RequestError(
            "there is no such plan of segments",
            value=name,
            where=store.place(PLAN),
            remedy="run the task segments.divide of this training again",
        )
    return Plan.model_validate_json(content)


def divided(dataset: DatasetSpec, part: Part, days: Sequence[str]) -> Split:
    """Rows before these days, and of them: the first fit, the others judge."""
    later = rows_in(dataset, part.frame, days)
    before, after = (Part(part.frame[chosen], part.truth[chosen], 0) for chosen in (~later, later))
    return Split(part.frame, before, after)


def _too_small(spec: SegmentsSpec, rows: int, judging: int, held: int) -> str:
    if rows < spec.min_rows:
        return f"{rows} labelled training rows, segments.min_rows asks for {spec.min_rows}"
    if judging in (0, rows):
        return "its training rows cannot be divided by day into rows that fit and rows that judge"
    return "" if held else "none of its rows is in the held-out days, on which the gates judge"


def _check_number(spec: SegmentsSpec, count: int) -> None:
    if count > MAX_SEGMENTS:
        raise DataError(
            f"{count} segments are to have a model of their own, {MAX_SEGMENTS} are the most",
            value=spec.column,
            where="the training rows",
            remedy="raise segments.min_rows, or name a column with fewer values",
        )


def _packed(segments: Sequence[tuple[str, int]], pack: int) -> tuple[PlannedSegment, ...]:
    """Dealt out by size, largest first, there and back, so that the packs take about as long as each other."""
    count = min(MAX_PACKS, math.ceil(len(segments) / pack)) or 1
    found = []
    for number, (name, rows) in enumerate(segments):
        turn, place = divmod(number, count)
        found.append(
            PlannedSegment(
                number=number, name=name, rows=rows, pack=count - 1 - place if turn % 2 else place
            )
        )
    return tuple(found)
