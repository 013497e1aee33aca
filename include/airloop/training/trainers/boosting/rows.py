"""Numeric rows in a file without a name, written once and read by places: what a booster learns from that nobody holds."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float32]
#: Rows that are read at a time.
BATCH_ROWS: Final = 65_536
_BYTES: Final = 4


class RowFile:
    """Rows of float32, the type of a feature; whatever ends the process, the file is gone.

    :param folder: where it lies
    """

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder, prefix="rows-")  # noqa: SIM115 - as long as they are read
        self.width = 0
        self._rows = 0
        self._targets: list[npt.NDArray[np.float64]] = []

    def __enter__(self) -> RowFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._rows

    def add(self, rows: npt.ArrayLike, target: npt.NDArray[np.float64]) -> None:
        """Put rows after those that are there.

        :raises OSError: if there is no space left
        """
        matrix = np.ascontiguousarray(rows, dtype=np.float32)
        self.width = matrix.shape[1]
        self._file.write(matrix.tobytes())
        self._rows += len(matrix)
        self._targets.append(target)

    @property
    def target(self) -> npt.NDArray[np.float64]:
        """What is learned of each, or a row of several values."""
        if len(self._targets) > 1:
            self._targets = [np.concatenate(self._targets)]
        return self._targets[0]

    def read(self, start: int, stop: int) -> Numbers:
        """The rows of these places."""
        self._file.flush()
        size = self.width * _BYTES
        content = os.pread(self._file.fileno(), (stop - start) * size, start * size)
        return np.frombuffer(content, dtype=np.float32).reshape(stop - start, self.width)

    def parts(self) -> Iterator[Numbers]:
        """All rows, a batch at a time."""
        for start in range(0, self._rows, BATCH_ROWS):
            yield self.read(start, min(start + BATCH_ROWS, self._rows))

    def whole(self) -> Numbers:
        """All rows at once, of which there are few."""
        return self.read(0, self._rows)
