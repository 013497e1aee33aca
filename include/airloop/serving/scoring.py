"""Batch scoring: a partition's predictions by the champion, as one partition of ``scores__<model>``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airloop.columns import MODEL_VERSION
from airloop.contracts import DatasetRef, Deployment, Fence
from airloop.data.lake.digest import RowsDigest
from airloop.data.lake.lake import Lake
from airloop.data.lake.renaming import bring_up_to_date, follow
from airloop.data.schema import arrow_schema, to_pandas, told
from airloop.data.spool import Spool
from airloop.execution.engine import IN_PROCESS, Engine
from airloop.registry.loaded import LoadedModel
from airloop.registry.sent import SentModel
from airloop.specs.dataset import DatasetSpec

#: Rows scored at a time: bounds memory.
BATCH_ROWS = 50_000


def scores_table(model: str) -> str:
    """The lake's table of a model's batch predictions."""
    return f"scores__{model}"


def score_partition(
    lake: Lake,
    model: LoadedModel,
    dataset: DatasetSpec,
    deployment: Deployment,
    partition: str,
    fence: Fence,
    engine: Engine = IN_PROCESS,
) -> DatasetRef:
    """Score one partition and replace it in the scores' table; the same model and rows change nothing.

    Other versions' scores of the partition stay beside them. The table has the dataset's keys and partition column,
    what was answered, a column a number, and the version. Rows go through memory a batch at a time.

    :param engine: computes the answers
    :param dataset: as it is now, after which the table's columns are called; the model knows it as it was
    :raises DataError: if the partition is not in the lake
    :raises StorageFullError: if there is no space left
    :raises SupersededError: if a newer attempt has scored it
    """
    ref = lake.snapshot(dataset.name, [partition])
    kept = tuple(dict.fromkeys((*dataset.keys, dataset.key_column)))
    batches = lake.batches(ref, tuple(dict.fromkeys((*kept, *model.spec.inputs))), BATCH_ROWS)
    asked = _Asked(SentModel(model), dataset, kept, deployment.version)
    answered = engine.spread(_answered, asked, batches)
    name = scores_table(model.spec.name)
    bring_up_to_date(lake, name)
    follow(lake, name, arrow_schema(dataset))
    others = _there(lake, name, partition)
    schema = _schema(
        lake.schema(ref).empty_table().select(list(kept)).schema,
        model.spec.answer.columns,
        lake.schema(others) if others else (),
    )
    schema = told(schema.empty_table(), dataset).schema
    scores, digest = Spool(schema), RowsDigest([dataset.key_column])
    for batch in chain(answered, _of_others(lake, others, deployment.version)):
        rows = _filled(batch, schema)
        scores.add(rows)
        digest.add(rows)
    lake.replace_partition(
        name,
        partition,
        scores.rows(),
        partition_column=dataset.key_column,
        fence=fence,
        digest=digest.digest(),
    )
    return lake.snapshot(name, [partition])


@dataclass(frozen=True)
class _Asked:
    """What every batch is scored with."""

    sent: SentModel
    dataset: DatasetSpec
    kept: tuple[str, ...]
    version: int


def _answered(asked: _Asked, batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch's keys with the model's answers."""
    model = asked.sent.model
    inputs = to_pandas(pa.Table.from_batches([batch]).select(list(model.spec.inputs)))
    answers = np.asarray(model.predict(inputs, asked.dataset), np.float64)
    names = model.spec.answer.columns
    numbers = [pa.array(one, pa.float64()) for one in answers.reshape(-1, len(names)).T]
    versions = pa.array([asked.version] * batch.num_rows, pa.int64())
    return pa.RecordBatch.from_arrays(
        [*batch.select(list(asked.kept)).columns, *numbers, versions],
        names=[*asked.kept, *names, MODEL_VERSION],
    )


def _there(lake: Lake, name: str, partition: str) -> DatasetRef | None:
    """The partition's scores, if there are any."""
    return lake.snapshot(name, [partition]) if partition in lake.partitions(name) else None


def _schema(kept: pa.Schema, answers: Sequence[str], others: Iterable[pa.Field]) -> pa.Schema:
    """Of the scores: a version that answered other numbers keeps its columns, empty in the others' rows."""
    own = [pa.field(name, pa.float64()) for name in answers]
    fields = {one.name: one for one in (*kept, *own, pa.field(MODEL_VERSION, pa.int64()))}
    return pa.schema([*fields.values(), *(one for one in others if one.name not in fields)])


def _filled(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """A batch with all columns, in their types."""
    there = {*batch.schema.names}
    columns = [
        batch[one.name].cast(one.type) if one.name in there else pa.nulls(batch.num_rows, one.type)
        for one in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _of_others(lake: Lake, there: DatasetRef | None, version: int) -> Iterator[pa.RecordBatch]:
    """What other versions answered to the partition: a record that no later champion rewrites."""
    for batch in lake.batches(there) if there is not None else ():
        yield batch.filter(pc.not_equal(batch[MODEL_VERSION], version))
