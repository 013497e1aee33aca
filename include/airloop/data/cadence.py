"""Whether a dataset's spec of today goes on with what the lake holds: cut the same way, rows named the same way."""

from __future__ import annotations

import re
from datetime import datetime

import pyarrow as pa

from airloop.data.lake import tables
from airloop.data.lake.lake import Lake
from airloop.errors import SpecError
from airloop.partition import KEY_FORMS, KEY_PATTERNS, Cadence, Partition
from airloop.specs.dataset import DatasetSpec
from airloop.types.column import ColumnType


def check_cadence(lake: Lake, spec: DatasetSpec, as_of: datetime | None = None) -> tuple[str, ...]:
    """The partitions that are there, or were at a moment, if all have keys of the spec's cadence.

    Hours and deliveries are written alike: a table says what it was made for; of one that was made before tables did,
    deliveries on full hours cannot be told from hours.

    :raises SpecError: if the cadence was changed after something was ingested
    """
    there = lake.partitions(spec.name, as_of)
    pattern = re.compile(KEY_PATTERNS[spec.cadence])
    told = tables.cadence(lake.opened(spec.name)) or spec.cadence
    others = [
        key
        for key in there
        if told != spec.cadence or not pattern.fullmatch(key) or not _begins(key, spec)
    ]
    if others:
        raise SpecError(
            f"the cadence was changed: the lake holds {len(others)} partitions of {spec.name} that are no {spec.cadence}s",
            value=others[-1],
            where=f"config/datasets/{spec.name}.yaml, key cadence: {spec.cadence}, written {KEY_FORMS[spec.cadence]}",
            remedy="set it back, or give the dataset another name and ingest it anew",
        )
    return there


def check_keys(lake: Lake, spec: DatasetSpec) -> None:
    """A whole number that names a row does not become a float: beyond 2**53 two of them would be one.

    :raises SpecError: if a key was widened after something was ingested
    """
    table = lake.opened(spec.name)
    if table is None:
        return
    held = pa.schema(table.schema())
    for key in spec.keys:
        column = spec.columns[key]
        kinds = {held.field(one).type for one in (key, *column.was) if one in held.names}
        if column.type is ColumnType.FLOAT and any(pa.types.is_integer(kind) for kind in kinds):
            raise SpecError(
                f"the key {key} holds whole numbers, which cannot become floats: beyond 2**53 two of them would be one",
                value=column.type,
                where=f"config/datasets/{spec.name}.yaml, columns.{key}.type",
                remedy="set it back to integer, or give the dataset another name and ingest it anew",
            )


def _begins(key: str, spec: DatasetSpec) -> bool:
    """Whether an hour of the zone begins when the key says."""
    if spec.cadence is not Cadence.HOUR:
        return True
    return str(spec.partition_at(Partition.parse(key, Cadence.SNAPSHOT).start)) == key
