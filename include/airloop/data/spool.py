"""Typed rows put aside while they are judged: in memory as long as they are few, else in a file that has no name."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from airloop.data.lake.streams import Stream

#: Bytes of rows that are held in memory.
HELD: Final = 32 << 20
Mask = npt.NDArray[np.bool_]


class Spool:
    """Rows that are written once, batch by batch, and read as often as they are needed.

    The file lies in the step's work folder and is unlinked from the beginning: whatever ends the process, it is gone.

    :param held: bytes of rows that are held in memory
    """

    def __init__(self, schema: pa.Schema, held: int | None = None) -> None:
        self.schema, self.num_rows = schema, 0
        self._most = HELD if held is None else held
        #: The rows of each batch.
        self._sizes: list[int] = []
        self._held: list[pa.RecordBatch] = []
        self._bytes = 0
        self._file: IO[bytes] | None = None
        self._writer: pa.RecordBatchFileWriter | None = None
        self._source: pa.PythonFile | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        """Put a batch's rows after those that are there.

        :raises OSError: if there is no space left
        """
        if not batch.num_rows:
            return
        self._sizes.append(batch.num_rows)
        self.num_rows += batch.num_rows
        if self._writer is not None:
            self._writer.write_batch(batch)
            return
        self._held.append(batch)
        self._bytes += batch.nbytes
        if self._bytes > self._most:
            self._file = tempfile.TemporaryFile(prefix="rows-")  # noqa: SIM115 - as long as they are read
            self._writer = pa.ipc.new_file(pa.PythonFile(self._file, "w"), self.schema)
            for one in self._held:
                self._writer.write_batch(one)
            self._held = []

    def rows(self, chosen: Mask | None = None) -> Stream:
        """All rows, or those that are chosen; none is added afterwards."""
        count = self.num_rows if chosen is None else int(chosen.sum())
        return Stream(
            self.schema,
            count,
            lambda names: (batch for _, batch in self.pieces(names, chosen)),
        )

    def pieces(
        self, names: Sequence[str], chosen: Mask | None = None
    ) -> Iterator[tuple[slice, pa.RecordBatch]]:
        """Batches of the chosen rows, each with the places that it was chosen from; where none is, it is not read."""
        reader, start = self._reader(names), 0
        for number, size in enumerate(self._sizes):
            places = slice(start, start + size)
            mask = None if chosen is None else chosen[places]
            start += size
            if mask is not None and not mask.any():
                continue
            batch = self._held[number] if reader is None else reader.get_batch(number)
            batch = batch.select(list(names))
            if mask is not None and not mask.all():
                batch = batch.filter(pa.array(mask))
            yield places, batch

    def _reader(self, names: Sequence[str]) -> pa.RecordBatchFileReader | None:
        if self._writer is None:
            return None
        if self._source is None:
            self._writer.close()
            self._source = pa.PythonFile(self._file, "r")
        places = sorted(self.schema.get_field_index(name) for name in names)
        return pa.ipc.open_file(self._source, options=pa.ipc.IpcReadOptions(included_fields=places))
