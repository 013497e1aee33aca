"""Compaction: the prediction log's segments become rows of the lake, by prediction date, exactly once.

A segment is one Delta append under an application id of its own, and is deleted only after the commit. Killed
in between, the next compaction finds the segment again, the table knows its id, and it is only deleted.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from airloop.contracts import Contract, Name
from airloop.errors import DataError
from airloop.serving.log.predictionlog import (
    DAMAGED,
    log_folder,
    read_segment,
    seal_segments,
)
from airloop.serving.log.records import PREDICTION_DATE, decode
from airloop.settings import Settings
from airloop.specs import Catalog, load_catalog
from airloop.specs.dataset import DatasetSpec

log = logging.getLogger("airloop.compaction")


class AppendOnce(Protocol):
    """What compaction needs of the lake."""

    def append_once(
        self, name: str, table: pa.Table, *, partition_by: str, app_id: str, sequence: int
    ) -> bool:
        """Append rows exactly once per ``app_id`` and ``sequence``; says whether this call did it."""


class CompactionResult(Contract):
    """What one compaction did. ``torn``: segments with a half-written, never acknowledged tail.

    ``damaged``: segments kept aside as ``.damaged``, since acknowledged frames of them cannot be read.
    """

    model: Name
    table: str
    segments: int = 0
    rows: int = 0
    already: int = 0
    torn: int = 0
    damaged: int = 0


def table_name(model: str) -> str:
    """The lake's table of a model's predictions."""
    return f"predictions__{model}"


def compact(
    settings: Settings,
    model: str,
    *,
    lake: AppendOnce | None = None,
    catalog: Catalog | None = None,
) -> CompactionResult:
    """Move every logged prediction of a model into the lake. Safe while the service is writing.

    :raises DataError: if a segment's rows cannot be read as the dataset's types
    :raises UnreachableError: if the lake does not answer; nothing is lost then
    """
    catalog = catalog or load_catalog()
    dataset = catalog.dataset(catalog.model(model).dataset)
    folder = log_folder(settings.home, model)
    result = CompactionResult(model=model, table=table_name(model))
    if not folder.is_dir():
        return result
    if lake is None:
        from airloop.data.lake.lake import Lake

        lake = Lake(settings)
    with _alone(folder):
        for path in seal_segments(folder):
            result = _compact_segment(lake, path, dataset, result)
    log.info("compaction of %s: %s", model, result.model_dump_json())
    return result


def _compact_segment(
    lake: AppendOnce, path: Path, dataset: DatasetSpec, result: CompactionResult
) -> CompactionResult:
    segment = read_segment(path)
    rows, appended = 0, False
    if segment.frames:
        try:
            table = decode(segment.frames, dataset)
        except (ValueError, pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise DataError(
                f"a logged prediction does not fit the dataset: {error}", where=str(path)
            ) from error
        rows = table.num_rows
        appended = lake.append_once(
            result.table,
            table,
            partition_by=PREDICTION_DATE,
            app_id=f"predictions:{path.stem}",
            sequence=1,
        )
    if segment.damaged:
        log.error("%s: frames in its middle do not match their checksums; kept aside", path)
        path.rename(path.with_suffix(DAMAGED))
    else:
        path.unlink()
    return result.model_copy(
        update={
            "segments": result.segments + 1,
            "rows": result.rows + (rows if appended else 0),
            "already": result.already + (rows if not appended else 0),
            "torn": result.torn + segment.torn,
            "damaged": result.damaged + segment.damaged,
        }
    )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One compaction of a model at a time on this machine; the lake itself guards against others."""
    fd = os.open(folder / "compaction.lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
