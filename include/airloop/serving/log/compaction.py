"""Compaction: the prediction log's segments become rows of the lake, by prediction date, exactly once.

A segment is one Delta append under an application id of its own, and is deleted only after the commit. Killed
in between, the next compaction finds the segment again, the table knows its id, and it is only deleted.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from airloop.columns import PARTITION
from airloop.contracts import Contract, Name
from airloop.errors import DataError
from airloop.serving.log import aside
from airloop.serving.log.frames import LogSegment, read_segment
from airloop.serving.log.predictionlog import DAMAGED, log_folder, seal_segments
from airloop.serving.log.records import decode
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

    ``damaged``: segments kept aside as ``.damaged``, since some of their bytes are not what was written; ``unread`` of
    these belong to acknowledged frames that cannot be read.
    """

    model: Name
    table: str
    segments: int = 0
    rows: int = 0
    already: int = 0
    torn: int = 0
    damaged: int = 0
    unread: int = 0


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
    return _each(settings, model, lake, catalog, seal_segments, _compact_segment)


def recover(
    settings: Settings,
    model: str,
    *,
    lake: AppendOnce | None = None,
    catalog: Catalog | None = None,
) -> CompactionResult:
    """Read the segments kept aside again; what of them is not in the lake yet goes there, exactly once.

    One that is whole again (its file was restored) is deleted like any other; the rest stay.

    :raises DataError: if a segment's rows cannot be read as the dataset's types
    :raises UnreachableError: if the lake does not answer; nothing is lost then
    """
    return _each(settings, model, lake, catalog, aside.kept, _recover_segment)


def _each(
    settings: Settings,
    model: str,
    lake: AppendOnce | None,
    catalog: Catalog | None,
    paths: Callable[[Path], tuple[Path, ...]],
    act: Callable[[_Table, Path, CompactionResult], CompactionResult],
) -> CompactionResult:
    catalog = catalog or load_catalog()
    _, dataset = catalog.pair(model)
    folder = log_folder(settings.home, model)
    result = CompactionResult(model=model, table=table_name(model))
    if not folder.is_dir():
        return result
    if lake is None:
        from airloop.data.lake.lake import Lake
        from airloop.data.lake.renaming import bring_up_to_date

        lake = Lake(settings)
        bring_up_to_date(lake, result.table)
    table = _Table(lake, result.table, dataset)
    with _alone(folder):
        for path in paths(folder):
            result = act(table, path, result)
    log.info("%s of %s: %s", act.__name__.strip("_"), model, result.model_dump_json())
    return result


@dataclass(frozen=True)
class _Table:
    """The lake's table of a model's predictions."""

    lake: AppendOnce
    name: str
    dataset: DatasetSpec

    def append(self, frames: Sequence[bytes], app_id: str, path: Path) -> tuple[int, bool]:
        """How many rows these frames hold, and whether this call put them there."""
        if not frames:
            return 0, False
        try:
            rows = decode(frames, self.dataset)
        except (ValueError, pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise DataError(
                f"a logged prediction does not fit the dataset: {error}", where=str(path)
            ) from error
        appended = self.lake.append_once(
            self.name, rows, partition_by=PARTITION, app_id=app_id, sequence=1
        )
        return rows.num_rows, appended


def _compact_segment(table: _Table, path: Path, result: CompactionResult) -> CompactionResult:
    segment = read_segment(path)
    rows, appended = table.append(segment.frames, f"predictions:{path.stem}", path)
    if segment.damaged:
        log.error("%s: not what was written, %d bytes unread; kept", path, segment.unread)
        aside.remember(path, segment.frames)
        path.rename(path.with_suffix(DAMAGED))
    else:
        path.unlink()
    return _counted(result, segment, rows, appended)


def _recover_segment(table: _Table, path: Path, result: CompactionResult) -> CompactionResult:
    segment = read_segment(path)
    known = aside.remembered(path, segment)
    fresh = [frame for frame in segment.frames if aside.name(frame) not in known]
    app_id = f"predictions:{path.stem}:{aside.name(b''.join(fresh))}"
    rows, appended = table.append(fresh, app_id, path)
    if segment.damaged:
        aside.remember(path, segment.frames, known)
    else:
        path.unlink()
        aside.forget(path)
    return _counted(result, segment, rows, appended)


def _counted(
    result: CompactionResult, segment: LogSegment, rows: int, appended: bool
) -> CompactionResult:
    return result.model_copy(
        update={
            "segments": result.segments + 1,
            "rows": result.rows + (rows if appended else 0),
            "already": result.already + (rows if not appended else 0),
            "torn": result.torn + segment.torn,
            "damaged": result.damaged + segment.damaged,
            "unread": result.unread + segment.unread,
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
