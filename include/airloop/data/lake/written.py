"""A file on its way into the lake: written row group by row group, its digest computed meanwhile, and then stored."""

from __future__ import annotations

import hashlib
import io
import tempfile
from dataclasses import dataclass
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from airloop.data.lake.streams import Rows, gathered

#: Rows of a row group: a few MB of a table of twenty columns are held for it.
GROUP_ROWS: Final = 65_536
#: Bytes of a file that are held in memory.
HELD: Final = 16 << 20
#: So many rows tell whether a column's values come again, as far as a row group's dictionary may help.
_LOOKED_AT: Final = 16_384
#: Bytes that are copied at a time.
PIECE: Final = 1 << 20


@dataclass(frozen=True)
class Written:
    """A whole file: in memory, or if it is large in one of the step's work folder that has no name there."""

    file: IO[bytes]
    size: int
    #: Of its bytes, in hex.
    sha256: str


class _Hashed(io.RawIOBase):
    """A file that knows the digest of what was written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.sha = file, hashlib.sha256()

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, piece: Any) -> int:
        """Append bytes."""
        self.sha.update(piece)
        return self._file.write(piece)

    def tell(self) -> int:
        """How many bytes there are."""
        return self._file.tell()


def written(rows: Rows) -> Written:
    """Rows as a file of the lake; other readers find checksums in its pages.

    :raises OSError: if there is no space left
    """
    file = tempfile.SpooledTemporaryFile(HELD, prefix="file-")  # noqa: SIM115 - until it is stored
    hashed = _Hashed(file)
    groups = gathered(rows.to_batches(max_chunksize=GROUP_ROWS), GROUP_ROWS)
    first = pa.Table.from_batches(next(groups, []), rows.schema)
    with pq.ParquetWriter(
        pa.PythonFile(hashed, "w"),
        rows.schema,
        compression="zstd",
        write_page_checksum=True,
        use_dictionary=_repeating(first[:_LOOKED_AT]),
    ) as writer:
        writer.write_table(first)
        for some in groups:
            writer.write_table(pa.Table.from_batches(some, rows.schema))
    return Written(file, file.tell(), hashed.sha.hexdigest())


def _repeating(rows: pa.Table) -> list[str]:
    """The columns whose values come again: of others a dictionary is made and thrown away, which is most of the work."""
    plain = [field.name for field in rows.schema if not pa.types.is_nested(field.type)]
    return [name for name in plain if 4 * pc.count_distinct(rows[name]).as_py() <= len(rows)]


def store(found: Written, path: str, filesystem: pafs.FileSystem) -> None:
    """Store a file. Delta's filesystem takes it only by way of a buffer, and what is as large as that goes past it."""
    found.file.seek(0)
    with filesystem.open_output_stream(path, buffer_size=4 * PIECE) as sink:
        while piece := found.file.read(PIECE):
            sink.write(piece)
