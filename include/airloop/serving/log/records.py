"""What a prediction log's frame says: one micro-batch's requests, as JSON, and as rows of a table.

The table's columns: the request's own (keys and inputs), and beside them ``prediction_date`` (the partition),
``prediction``, ``model_version``, ``predicted_at``, ``request_id``, ``request_row``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import orjson
import pyarrow as pa

from airloop.data.schema import ARROW_TYPES
from airloop.serving.requests import Row
from airloop.specs.dataset import ColumnType, DatasetSpec

PREDICTION_DATE = "prediction_date"
#: The table's own columns, with their types.
RECORD_TYPES: dict[str, pa.DataType] = {
    PREDICTION_DATE: pa.string(),
    "prediction": pa.float64(),
    "model_version": pa.int64(),
    "predicted_at": pa.timestamp("us", "UTC"),
    "request_id": pa.string(),
    "request_row": pa.int64(),
}


@dataclass(frozen=True, slots=True)
class Answered:
    """One request with its answer, about to be logged."""

    request_id: str
    version: int
    at: datetime
    rows: Sequence[Row]
    predictions: Sequence[float]
    #: The input whose date is a row's prediction date, if any.
    event_time: str | None


def encode(answered: Iterable[Answered]) -> bytes:
    """A frame's payload."""
    return orjson.dumps(
        [
            {
                "id": one.request_id,
                "version": one.version,
                "at": one.at,
                "dates": [prediction_date(row, one.event_time, one.at) for row in one.rows],
                "rows": one.rows,
                "predictions": one.predictions,
            }
            for one in answered
        ]
    )


def prediction_date(row: Row, event_time: str | None, at: datetime) -> str:
    """The day a prediction is about: of the row's event time where it has one, else of the request, in UTC."""
    value = row.get(event_time) if event_time else None
    if isinstance(value, datetime):
        return value.astimezone(UTC).date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return at.astimezone(UTC).date().isoformat()


def decode(frames: Iterable[bytes], dataset: DatasetSpec) -> pa.Table:
    """The rows of frames as a table, typed by the dataset; a column the dataset no longer has becomes text."""
    records = [record for frame in frames for record in _records(orjson.loads(frame))]
    names = dict.fromkeys(RECORD_TYPES)
    for record in records:
        names.update(dict.fromkeys(record))
    columns = {name: [record.get(name) for record in records] for name in names}
    return pa.table({name: _array(name, values, dataset) for name, values in columns.items()})


def _records(batch: list[dict[str, Any]]) -> Iterable[Row]:
    for request in batch:
        lines = zip(request["rows"], request["predictions"], request["dates"], strict=True)
        for index, (row, prediction, day) in enumerate(lines):
            yield {
                **row,
                PREDICTION_DATE: day,
                "prediction": prediction,
                "model_version": request["version"],
                "predicted_at": request["at"],
                "request_id": request["id"],
                "request_row": index,
            }


def _array(name: str, values: list[Any], dataset: DatasetSpec) -> pa.Array:
    own = RECORD_TYPES.get(name)
    column = dataset.columns.get(name)
    if own is None and column is None:
        return pa.array([None if value is None else str(value) for value in values], pa.string())
    kind = own if own is not None else ARROW_TYPES[column.type]  # type: ignore[union-attr]
    if pa.types.is_timestamp(kind):
        values = [None if value is None else datetime.fromisoformat(value) for value in values]
    elif column is not None and own is None and column.type is ColumnType.DATE:
        values = [None if value is None else date.fromisoformat(value) for value in values]
    return pa.array(values, kind)
