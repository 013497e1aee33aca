"""Where a partition's rows come from: the source that the dataset's spec names."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from airloop.data.sources.raw import Batch, Raw
from airloop.plugins.registry import SOURCES, load
from airloop.plugins.source import Source
from airloop.specs.dataset import DatasetSpec


def read_partition(spec: DatasetSpec, partition: str) -> Iterator[Batch]:
    """A partition's raw batches; :func:`airloop.data.sources.conform.conform` gives them their types.

    :raises DataError: if the partition does not exist or is damaged, or the user's function failed
    :raises SpecError: if the source cannot be what the spec says
    :raises RequestError: if the key is none of the dataset's cadence
    :raises UnreachableError: if the store or the database does not answer
    """
    spec.partition(partition)
    source: Source = load(SOURCES, spec.source.kind)
    yield from source.read(spec.source, partition)


def read_rows(spec: DatasetSpec, partition: str) -> Raw:
    """A whole partition as it stands; what :func:`read_partition` raises."""
    return Raw(tuple(read_partition(spec, partition)))


def read_frame(spec: DatasetSpec, partition: str) -> pd.DataFrame:
    """A whole partition as one raw frame, to look at; ingest takes :func:`read_rows`, which pandas never touches."""
    return read_rows(spec, partition).to_pandas()
