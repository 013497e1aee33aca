"""A booster fitted on rows that nobody holds: one pass for the categories, one into a file, and the library reads that."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np

from airloop.errors import SpecError
from airloop.registry.formats.boosters.model import Boosted, boosted, columns
from airloop.training.trainer import FitJob, FitStream
from airloop.training.trainers.answering import where_of
from airloop.training.trainers.boosting import fitting, heads
from airloop.training.trainers.boosting.checks import checked, divided
from airloop.training.trainers.boosting.learners import LEARNERS, Learned
from airloop.training.trainers.boosting.libraries import Library
from airloop.training.trainers.boosting.rows import RowFile


def check(job: FitJob, library: Library) -> None:
    """Look whether what ``build`` returns can be learned so.

    :raises SpecError: if not, naming what can
    """
    head, last = divided(checked(job, library))
    heads.check(job, head)
    for name, valid in library.streamed.items():
        if (value := last.get_params().get(name)) is not None and value not in valid:
            remedy = f"use {' or '.join(valid)}, or leave training.stream out"
            what = f"{library.name} takes a stream with another {name} only"
            raise SpecError(what, value=value, where=where_of(job), remedy=remedy)


def fit(job: FitJob, stream: FitStream, library: Library) -> Boosted:
    """The same as of rows in memory; only which rows say when to stop is drawn otherwise.

    :raises SpecError: if a step before the booster cannot be learned from a stream
    """
    check(job, library)
    head, last = divided(checked(job, library))
    with fitting.failures(job), ExitStack() as files:
        head = heads.fitted(job, stream, head)
        rows = files.enter_context(RowFile(job.place.workdir))
        held = None
        if fitting.stops_early(library, last):
            held = files.enter_context(RowFile(job.place.workdir))
        _fill(job, stream, head, rows, held)
        return _learned(job, library, head, last, rows, held)


def _fill(job: FitJob, stream: FitStream, head: Any, rows: RowFile, held: RowFile | None) -> None:
    """Read the stream once into the files."""
    chance = np.random.default_rng(job.model.training.seed)
    for part, truth in stream.parts():
        matrix = columns(heads.made(job, head, part))
        target = np.asarray(truth, dtype=np.float64)
        if held is None:
            rows.add(matrix, target)
            continue
        late = chance.random(len(part)) < fitting.VALIDATION
        rows.add(matrix[~late], target[~late])
        held.add(matrix[late], target[late])


def _learned(
    job: FitJob, library: Library, head: Any, last: Any, rows: RowFile, held: RowFile | None
) -> Boosted:
    output = job.outputs[0]
    (target, *later), places = fitting.target(job, *(one.target for one in (rows, held) if one))
    classes = len(places) if output.of_classes else 2
    given = Learned(
        rows=rows,
        held=held,
        names=list(map(str, job.features)) if head is None else None,
        classes=classes if job.model.task == "classification" else 0,
    )
    learn, contents = LEARNERS[library.package](given), []
    told = fitting.targets(library, output, later[0]) if later else None
    for place, own in enumerate(fitting.targets(library, output, target)):
        one, fixed = fitting.aimed(library, last, job, place, len(places))
        contents.append(library.content(learn(one, fixed, own, told and told[place])))
    where = where_of(job)
    return boosted(library.name, head, b"".join(contents), where, output, places)
