"""Whether what the lake holds of a dataset was cut as its spec says today."""

from __future__ import annotations

import re
from datetime import datetime

from airloop.data.lake.lake import Lake
from airloop.errors import SpecError
from airloop.partition import KEY_FORMS, KEY_PATTERNS, Cadence, Partition
from airloop.specs.dataset import DatasetSpec


def check_cadence(lake: Lake, spec: DatasetSpec, as_of: datetime | None = None) -> tuple[str, ...]:
    """The partitions that are there, or were at a moment, if all have keys of the spec's cadence.

    Hours and deliveries are written alike: those that lie on hours cannot be told apart.

    :raises SpecError: if the cadence was changed after something was ingested
    """
    there = lake.partitions(spec.name, as_of)
    pattern = re.compile(KEY_PATTERNS[spec.cadence])
    others = [key for key in there if not pattern.fullmatch(key) or not _begins(key, spec)]
    if others:
        raise SpecError(
            f"the cadence was changed: the lake holds {len(others)} partitions of {spec.name} that are no {spec.cadence}s",
            value=others[-1],
            where=f"config/datasets/{spec.name}.yaml, key cadence: {spec.cadence}, written {KEY_FORMS[spec.cadence]}",
            remedy="set it back, or give the dataset another name and ingest it anew",
        )
    return there


def _begins(key: str, spec: DatasetSpec) -> bool:
    """Whether an hour of the zone begins when the key says."""
    if spec.cadence is not Cadence.HOUR:
        return True
    return str(spec.partition_at(Partition.parse(key, Cadence.SNAPSHOT).start)) == key
