"""The offline shadow: what callers asked last, answered by the candidate and by the champion, before anybody meets it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from airloop.contracts import ArtifactRef, Check, DatasetRef, Deployment, Outcome
from airloop.data.labels import log_of
from airloop.data.lake.lake import Lake
from airloop.data.parting import each_once
from airloop.data.schema import to_pandas
from airloop.delivery.strategies.judging import CHANCE, beyond
from airloop.errors import AirloopError, ArtifactError, DataError
from airloop.monitoring import reference
from airloop.registry import artifacts
from airloop.serving.environments import loading as environments
from airloop.vocabulary import OFFLINE_SHADOW

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from airloop.serving.environments.loading import Loaded
    from airloop.settings import Settings
    from airloop.specs.dataset import DatasetSpec
    from airloop.specs.model import ModelSpec
    from airloop.specs.sections.serving import ReplaySpec

#: So many standard deviations of the champion's answers apart, two answers differ.
APART: Final = 3.0
#: Of a probability no less is a difference: a rank that is turned over, a class for another.
HALF: Final = 0.5
#: From the tenth to the ninetieth percentile of answers there are so many of their standard deviations.
TENTHS: Final = 2.563
#: A value of a slice with fewer rows says nothing.
SLICE_ROWS: Final = 50
#: Fewer rows than these are answered too quickly to compare the times.
TIMED_ROWS: Final = 200
#: A candidate may take so many seconds more for these, however quick the champion is.
MOMENT: Final = 0.1


def replay(settings: Settings, candidate: Loaded, champion: Deployment | None, lake: Lake) -> Check:
    """Whether the candidate answers what was asked last about as the champion does; could not tell where nothing was."""
    spec = candidate.spec.serving.replay
    if not spec.rows:
        return _check(Outcome.OK, "the spec asks for none")
    if champion is None:
        return _check(Outcome.UNKNOWN, "no version serves yet to be held against")
    try:
        asked = _asked(lake, candidate, spec.rows)
        if asked is None:
            return _check(
                Outcome.UNKNOWN, "nobody has asked anything yet: the prediction log is empty"
            )
        before = environments.load(champion.artifact, settings)
        answered = before.predict(asked[list(before.spec.inputs)])
        least = usual(before.spec, champion.artifact, settings)
    except (AirloopError, KeyError) as error:
        return _check(Outcome.UNKNOWN, f"the champion's own answers cannot be had: {error}")
    return judge(spec, candidate, before, asked, answered, least)


def judge(
    spec: ReplaySpec,
    candidate: Loaded,
    champion: Loaded,
    asked: pd.DataFrame,
    answered: NDArray[np.float64],
    least: float = 0.0,
) -> Check:
    """The same, once the rows and the champion's answers are there.

    :param least: by how much two answers may differ in any case
    """
    rows = len(asked)
    try:
        found = candidate.predict(asked[list(candidate.spec.inputs)])
    except KeyError as error:
        return _check(
            Outcome.UNKNOWN, f"callers do not send {error} yet, which the candidate needs"
        )
    except (DataError, ArtifactError) as error:
        told = f"of {rows} rows that were asked last, the candidate cannot answer all: {error}"
        return _check(Outcome.BAD, told, rows=rows)
    if np.shape(found) != np.shape(answered):
        return _check(Outcome.UNKNOWN, "the candidate answers other numbers than the champion")
    differing = apart(answered, np.asarray(found, np.float64), least)
    wrong = list(_wrong(spec, candidate, asked, differing))
    own, other = (_seconds(one, asked) for one in (candidate, champion))
    if rows >= TIMED_ROWS and own > max(spec.slower * other, other + MOMENT):
        wrong.append(f"it takes {own:.2g} s for {TIMED_ROWS} rows, the champion {other:.2g} s")
    reason = "; ".join(wrong) or (
        f"{rows} rows that were asked last are answered, {int(differing.sum())} of them otherwise than by the champion"
    )
    outcome = Outcome.BAD if wrong else Outcome.OK
    return _check(outcome, reason, rows=rows, differing=int(differing.sum()), seconds=round(own, 4))


def usual(model: ModelSpec, artifact: ArtifactRef, settings: Settings) -> float:
    """By how much two answers may differ whatever was asked: callers of one day may all be answered alike.

    A champion that is asked about what it never learned says nearly the same of every row, and the model that has learned it
    says another thing: that is what it was trained for.
    """
    if model.task == "classification":
        return HALF
    profile = reference.read(artifacts.fetch(artifact, settings))
    edges = [one.bins.edges for one in profile.answered.values()]
    return max((APART * (one[-1] - one[0]) / TENTHS for one in edges if one), default=0.0)


def apart(
    champion: NDArray[np.float64], candidate: NDArray[np.float64], least: float = 0.0
) -> NDArray[np.bool_]:
    """Which rows the two answer otherwise, whatever the unit is.

    :param least: what is no difference in any case
    """
    one, other = (np.reshape(answers, (len(answers), -1)) for answers in (champion, candidate))
    spread = one.std(axis=0)
    # Of a champion that always answers the same, anything else is a difference; but for rounding.
    rounding = 1e-9 * np.maximum(1.0, np.abs(one).max(axis=0))
    room = np.maximum.reduce([APART * spread, rounding, np.full_like(spread, least)])
    beyond_it: NDArray[np.float64] = np.max(np.abs(one - other) - room, axis=1)
    return beyond_it > 0


def _wrong(
    spec: ReplaySpec, candidate: Loaded, asked: pd.DataFrame, differing: NDArray[np.bool_]
) -> Iterator[str]:
    count, rows = int(differing.sum()), len(differing)
    if beyond(count, rows, spec.disagreement):
        yield f"{count} of {rows} rows that were asked last it answers otherwise than the champion"
        return
    slices = candidate.spec.gates.slices
    parts = [
        (f"{column} {value}", differing[(asked[column] == value).to_numpy()])
        for column in (() if slices == "none" else slices)
        if column in asked
        for value, size in asked[column].value_counts().items()
        if size >= SLICE_ROWS
    ]
    for name, part in parts:
        if beyond(int(part.sum()), len(part), spec.disagreement, CHANCE / len(parts)):
            yield f"of {name}, {int(part.sum())} of {len(part)} rows it answers otherwise"


def _asked(lake: Lake, candidate: Loaded, rows: int) -> pd.DataFrame | None:
    """The last rows that callers sent, in the columns that the dataset has now."""
    log = log_of(lake, candidate.dataset, candidate.spec.name)
    found, count = list[pa.Table](), 0
    for key in reversed(lake.partitions(log)):
        found.append(_last(lake, lake.snapshot(log, [key]), candidate.dataset, rows - count))
        count += found[-1].num_rows
        if count >= rows:
            break
    asked = pa.concat_tables(found, promote_options="default") if count else None
    return None if asked is None else to_pandas(each_once(asked))


def _last(lake: Lake, ref: DatasetRef, dataset: DatasetSpec, rows: int) -> pa.Table:
    """The last of a partition's rows; of the others a batch is held at a time, since a day may have millions."""
    schema = lake.schema(ref)
    columns = [one for one in dataset.columns if one in schema.names]
    kept, count = deque[pa.RecordBatch](), 0
    for batch in lake.batches(ref, columns):
        kept.append(batch)
        count += batch.num_rows
        while count - kept[0].num_rows >= rows:
            count -= kept.popleft().num_rows
    table = pa.Table.from_batches(kept, schema.empty_table().select(columns).schema)
    return table.slice(max(0, count - rows))


def _seconds(model: Loaded, asked: pd.DataFrame) -> float:
    """What some rows take at best: a busy machine is no slow model."""
    frame, took = asked.head(TIMED_ROWS)[list(model.spec.inputs)], []
    for _ in range(3):
        began = time.perf_counter()
        model.predict(frame)
        took.append(time.perf_counter() - began)
    return min(took)


def _check(outcome: Outcome, reason: str, **figures: float | int | str | None) -> Check:
    return Check(name=OFFLINE_SHADOW, outcome=outcome, reason=reason, figures=figures)
