"""Batch scoring: a partition's predictions by the champion, as one partition of ``scores__<model>``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airloop.columns import MODEL_VERSION
from airloop.contracts import DatasetRef, Deployment, Fence
from airloop.data.lake.digest import rows_digest
from airloop.data.lake.lake import Lake
from airloop.data.lake.renaming import bring_up_to_date, follow
from airloop.data.schema import arrow_schema, to_pandas, told
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
    what was answered, a column a number, and the version.

    :param engine: computes the answers
    :param dataset: as it is now, after which the table's columns are called; the model knows it as it was
    :raises DataError: if the partition is not in the lake
    :raises SupersededError: if a newer attempt has scored it
    """
    ref = lake.snapshot(dataset.name, [partition])
    kept = tuple(dict.fromkeys((*dataset.keys, dataset.key_column)))
    batches = lake.batches(ref, tuple(dict.fromkeys((*kept, *model.spec.inputs))), BATCH_ROWS)
    asked = _Asked(SentModel(model), dataset, kept, deployment.version)
    answered = engine.spread(_answered, asked, batches)
    parts = [pa.Table.from_batches([batch]) for batch in answered]
    name = scores_table(model.spec.name)
    bring_up_to_date(lake, name)
    follow(lake, name, arrow_schema(dataset))
    others = _of_others(lake, name, partition, deployment.version)
    # A version that answered other numbers keeps its columns, empty in the others' rows.
    table = pa.concat_tables([*parts, *others], promote_options="default")
    table = told(table, dataset)
    lake.replace_partition(
        name,
        partition,
        table,
        partition_column=dataset.key_column,
        fence=fence,
        digest=rows_digest(table, without=[dataset.key_column]),
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


def _of_others(lake: Lake, name: str, partition: str, version: int) -> list[pa.Table]:
    """What other versions answered to the partition: a record that no later champion rewrites."""
    if partition not in lake.partitions(name):
        return []
    there = lake.read_table(lake.snapshot(name, [partition]))
    return [there.filter(pc.not_equal(there[MODEL_VERSION], version))]
