"""What a prediction log's frame says: one micro-batch's requests, as JSON, and as rows of a table.

The table's columns: the request's own (keys and inputs), and beside them those of :mod:`airloop.columns`, which are
reserved: the partition, the prediction (a column a number where there are several), the version, the moment, the request and the row in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final

import orjson
import pyarrow as pa

from airloop.columns import (
    ANSWERS,
    MODEL_VERSION,
    PARTITION,
    PREDICTED_AT,
    PREDICTION,
    REQUEST_ID,
    REQUEST_ROW,
    ROLE,
    is_answer,
)
from airloop.data.lake.evolution import GONE
from airloop.data.schema import told
from airloop.partition import Cadence, Partition
from airloop.serving.requests import Row
from airloop.specs.dataset import DatasetSpec
from airloop.types.registry import type_of

#: Of frames whose rows are Python's objects at the same time.
DECODED_BYTES: Final = 2 << 20

#: The table's own columns, with their types.
RECORD_TYPES: dict[str, pa.DataType] = {
    PARTITION: pa.string(),
    PREDICTION: pa.float64(),
    MODEL_VERSION: pa.int64(),
    PREDICTED_AT: pa.timestamp("us", "UTC"),
    REQUEST_ID: pa.string(),
    REQUEST_ROW: pa.int64(),
}
#: Columns that a table has once there is something to say in them.
_LATER = {ROLE: pa.string()}


#: What is answered about a row: a number, or several by their names ...
Told = float | dict[str, float]
#: ... and what its caller hears: of a label its name, of a vector a list.
Heard = Told | str | list[float]


@dataclass(frozen=True, slots=True)
class Answered:
    """One request with its answer, about to be logged."""

    request_id: str
    version: int
    at: datetime
    rows: Sequence[Row]
    predictions: Sequence[Told]
    #: The input whose time says of which partition a row is, if any.
    event_time: str | None
    dataset: DatasetSpec
    #: In which role the version answered; empty where nobody but the champion does.
    role: str = ""


def encode(answered: Iterable[Answered]) -> bytes:
    """A frame's payload."""
    return orjson.dumps(
        [
            {
                "id": one.request_id,
                "version": one.version,
                "at": one.at,
                "dates": [partition_of(row, one) for row in one.rows],
                "rows": one.rows,
                "predictions": one.predictions,
                **({"role": one.role} if one.role else {}),
            }
            for one in answered
        ]
    )


def partition_of(row: Row, answered: Answered) -> str:
    """The partition a prediction is about: of the row's event time where it has one, else of the request."""
    value = row.get(answered.event_time) if answered.event_time else None
    when = value if isinstance(value, date) else answered.at
    return _key_of(when, answered.dataset.logged, answered.dataset.timezone)


@lru_cache(maxsize=1024)
def _key_of(when: date, cadence: Cadence, zone: str) -> str:
    """The key of a day's or a moment's partition: kept, since a request's rows have few of them."""
    if isinstance(when, datetime):
        return str(Partition.at(when, cadence, zone))
    return str(Partition.of(when, cadence, zone))


def decode(frames: Iterable[bytes], dataset: DatasetSpec) -> pa.Table:
    """The rows of frames as a table, typed by the dataset; a column the dataset no longer has becomes text.

    A version that was trained before a column was renamed is asked by the old name: it is kept under the new one.
    """
    tables = [_decoded(some, dataset) for some in _some(frames)] or [_decoded((), dataset)]
    return pa.concat_tables(tables, promote_options="default")


def _some(frames: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Frames a few megabytes at a time: as Python's objects their rows take thirty times as much as in a table."""
    waiting, size = list[bytes](), 0
    for frame in frames:
        waiting.append(frame)
        size += len(frame)
        if size >= DECODED_BYTES:
            yield waiting
            waiting, size = [], 0
    if waiting:
        yield waiting


def _decoded(frames: Iterable[bytes], dataset: DatasetSpec) -> pa.Table:
    present = dataset.present_names
    records = [record for frame in frames for record in _records(orjson.loads(frame), present)]
    names = dict.fromkeys(RECORD_TYPES)
    for record in records:
        names.update(dict.fromkeys(record))
    columns = {name: [record.get(name) for record in records] for name in names}
    rows = pa.table({name: _array(name, values, dataset) for name, values in columns.items()})
    known = {*RECORD_TYPES, *_LATER, *dataset.columns}
    gone = {name for name in columns if name not in known and not is_answer(name)}
    fields = [
        field.with_metadata({GONE: b"true"}) if field.name in gone else field
        for field in told(rows, dataset).schema
    ]
    return pa.Table.from_arrays(rows.columns, schema=pa.schema(fields))


def _records(batch: list[dict[str, Any]], present: Mapping[str, str]) -> Iterable[Row]:
    for request in batch:
        role = {ROLE: request["role"]} if "role" in request else {}
        lines = zip(request["rows"], request["predictions"], request["dates"], strict=True)
        for index, (row, prediction, key) in enumerate(lines):
            yield {
                **(_renamed(row, present) if present else row),
                PARTITION: key,
                **_columns(prediction),
                MODEL_VERSION: request["version"],
                PREDICTED_AT: request["at"],
                REQUEST_ID: request["id"],
                REQUEST_ROW: index,
                **role,
            }


def _columns(prediction: Told) -> Row:
    """One answer in its columns."""
    if isinstance(prediction, dict):
        return {f"{ANSWERS}{name}": value for name, value in prediction.items()}
    return {PREDICTION: prediction}


def _renamed(row: Row, present: Mapping[str, str]) -> Row:
    return {present.get(name, name): value for name, value in row.items()}


def _array(name: str, values: list[Any], dataset: DatasetSpec) -> pa.Array:
    own = pa.float64() if is_answer(name) else (RECORD_TYPES | _LATER).get(name)
    column = dataset.columns.get(name)
    if own is None and column is None:
        return pa.array([None if value is None else str(value) for value in values], pa.string())
    if own is None and column is not None:
        return pa.array(type_of(column).logged(values), type_of(column).arrow(column))
    if pa.types.is_timestamp(own):
        values = [None if value is None else datetime.fromisoformat(value) for value in values]
    return pa.array(values, own)
