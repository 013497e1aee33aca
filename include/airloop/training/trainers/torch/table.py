"""Rows as tensors, and where batches of them come from: the device's memory, or a Parquet file when they do not fit.

The order of an epoch follows from seed and epoch alone, and every process computes the same batches and takes its
share of each: a resumed run meets the batches it would have met, and the number of processes changes no result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from airloop.registry.formats.torch.network import TabularNetwork

#: Row groups that are in memory together while a file is streamed; rows are shuffled within such a window.
WINDOW_GROUPS = 8
GROUP_ROWS = 65_536


@dataclass(frozen=True)
class Share:
    """Which of how many processes this is."""

    rank: int = 0
    world: int = 1

    def of(self, rows: int) -> slice:
        """The rows of a batch that this process takes."""
        return slice(rows * self.rank // self.world, rows * (self.rank + 1) // self.world)


@dataclass(frozen=True)
class Batch:
    """Rows ready for the network; ``rows`` counts those of all processes."""

    codes: Tensor
    dense: Tensor
    target: Tensor
    rows: int

    def parts(self, count: int) -> Iterator[Batch]:
        """The batch in ``count`` pieces, for a device that cannot hold it whole."""
        for one in np.array_split(np.arange(len(self.target)), count):
            if len(one):
                cut = slice(int(one[0]), int(one[-1]) + 1)
                yield Batch(self.codes[cut], self.dense[cut], self.target[cut], self.rows)

    def load(self) -> Batch:
        """Itself: its rows are there."""
        return self

    def buffer(self) -> Batch:
        """Another of its shape, for later ones to be written into."""
        return Batch(self.codes.clone(), self.dense.clone(), self.target.clone(), self.rows)

    def fill(self, other: Batch) -> None:
        """Write another's rows into this one."""
        self.codes.copy_(other.codes)
        self.dense.copy_(other.dense)
        self.target.copy_(other.target)


@dataclass(frozen=True)
class TensorTable:
    """Normalised rows: what :meth:`TabularNetwork.from_dense` takes, and the target as the loss wants it."""

    codes: Tensor
    dense: Tensor
    target: Tensor

    def __len__(self) -> int:
        return len(self.target)

    @property
    def bytes(self) -> int:
        """The memory it takes."""
        return sum(
            one.numel() * one.element_size() for one in (self.codes, self.dense, self.target)
        )

    def to(self, device: torch.device) -> TensorTable:
        """The same rows on a device."""
        return TensorTable(self.codes.to(device), self.dense.to(device), self.target.to(device))

    def tensors(self) -> dict[str, Tensor]:
        """By name, as files hold them."""
        return {"codes": self.codes, "dense": self.dense, "target": self.target}


@dataclass(frozen=True)
class Picked:
    """A batch that is still the places of its rows in a table on the device; ``rows`` counts those of all processes.

    Whoever learns from it gathers the rows, so a recorded step has the gathers within and takes one copy a batch.
    """

    table: TensorTable
    places: Tensor
    rows: int

    def load(self) -> Batch:
        """The rows, gathered."""
        return Batch(
            self.table.codes.index_select(0, self.places),
            self.table.dense.index_select(0, self.places),
            self.table.target.index_select(0, self.places),
            self.rows,
        )

    def buffer(self) -> Picked:
        """Another of its shape, for later ones to be written into."""
        return Picked(self.table, self.places.clone(), self.rows)

    def fill(self, other: Picked) -> None:
        """Write another's places into this one."""
        self.places.copy_(other.places)


def tabulate(network: TabularNetwork, codes: Any, numbers: Any, target: Any) -> TensorTable:
    """Normalise encoded rows once for all epochs."""
    columns = network.columns
    with torch.no_grad():
        dense = network.normalise(torch.from_numpy(numbers))
    centred = np.asarray(target, dtype=np.float64) - np.asarray(columns.target_mean)
    scaled = torch.from_numpy(centred / np.asarray(columns.target_scale)).float()
    return TensorTable(torch.from_numpy(codes), dense, scaled)


class TableRows(Protocol):
    """A source of batches."""

    rows: int

    def batches(
        self, seed: int, batch_rows: int, start: int, share: Share
    ) -> Iterator[Batch | Picked]:
        """One epoch in the order of ``seed``, from batch ``start`` on."""


class ResidentRows:
    """All rows in the memory of one device: a batch is one gather, and nothing crosses the bus."""

    def __init__(self, table: TensorTable, device: torch.device) -> None:
        self.table, self.device, self.rows = table.to(device), device, len(table)

    def batches(self, seed: int, batch_rows: int, start: int, share: Share) -> Iterator[Picked]:
        """One epoch: a permutation of all rows, cut into batches."""
        # Drawn where the rows lie: five million of them take a CPU longer than a GPU takes for the epoch.
        generator = torch.Generator(self.device).manual_seed(seed)
        order = torch.randperm(self.rows, generator=generator, device=self.device)
        for first in range(start * batch_rows, self.rows, batch_rows):
            whole = order[first : first + batch_rows]
            yield Picked(self.table, whole[share.of(len(whole))], len(whole))


class StreamedRows:
    """Rows in a Parquet file: windows of row groups in random order, rows shuffled within, the next read ahead."""

    def __init__(self, path: Path, device: torch.device) -> None:
        import pyarrow.parquet as pq

        self.path, self.device = path, device
        metadata = pq.ParquetFile(path).metadata
        self.rows, self.groups = metadata.num_rows, metadata.num_row_groups

    def batches(self, seed: int, batch_rows: int, start: int, share: Share) -> Iterator[Batch]:
        """One epoch; batches before ``start`` are read and passed over."""
        generator = torch.Generator().manual_seed(seed)
        number, left = 0, None
        for window in self._windows(generator):
            table = window if left is None else joined([left, window])
            whole = len(table) // batch_rows * batch_rows
            for first in range(0, whole, batch_rows):
                if number >= start:
                    yield self._batch(table, first, batch_rows, share)
                number += 1
            left = TensorTable(table.codes[whole:], table.dense[whole:], table.target[whole:])
        if left is not None and len(left) and number >= start:
            yield self._batch(left, 0, len(left), share)

    def _batch(self, table: TensorTable, first: int, count: int, share: Share) -> Batch:
        mine = share.of(count)
        cut = slice(first + mine.start, first + mine.stop)
        part = TensorTable(table.codes[cut], table.dense[cut], table.target[cut]).to(self.device)
        return Batch(part.codes, part.dense, part.target, count)

    def _windows(self, generator: torch.Generator) -> Iterator[TensorTable]:
        order = torch.randperm(self.groups, generator=generator).tolist()
        windows = [order[at : at + WINDOW_GROUPS] for at in range(0, len(order), WINDOW_GROUPS)]
        with ThreadPoolExecutor(1) as reader:
            ahead = reader.submit(self._read, windows[0])
            for following in [*windows[1:], None]:
                table = ahead.result()
                if following is not None:
                    ahead = reader.submit(self._read, following)
                mixed = torch.randperm(len(table), generator=generator)
                yield TensorTable(table.codes[mixed], table.dense[mixed], table.target[mixed])

    def _read(self, groups: list[int]) -> TensorTable:
        import pyarrow.parquet as pq

        read = pq.ParquetFile(self.path).read_row_groups(groups)
        target = _matrix(read, "t", np.float32)
        return TensorTable(
            _matrix(read, "c", np.int32),
            _matrix(read, "d", np.float32),
            target if target.shape[1] > 1 else target[:, 0],
        )


def write_parquet(table: TensorTable, path: Path) -> None:
    """Put rows into a file that :class:`StreamedRows` reads."""
    import pyarrow.parquet as pq

    pq.write_table(as_arrow(table), path, row_group_size=GROUP_ROWS, compression="lz4")


def as_arrow(table: TensorTable) -> Any:
    """Rows as such a file has them."""
    import pyarrow as pa

    matrices = [one.numpy().reshape(len(table), -1) for one in table.tensors().values()]
    columns = {
        f"{letter}{position}": matrix[:, position]
        for letter, matrix in zip("cdt", matrices, strict=True)
        for position in range(matrix.shape[1])
    }
    return pa.table(columns)


def _matrix(read: Any, letter: str, kind: Any) -> Tensor:
    names = [name for name in read.column_names if name.startswith(letter)]
    result = np.empty((read.num_rows, len(names)), dtype=kind)
    for position, name in enumerate(names):
        result[:, position] = read.column(name).to_numpy()
    return torch.from_numpy(result)


def joined(tables: Sequence[TensorTable]) -> TensorTable:
    """Rows one after the other."""
    parts = zip(*(one.tensors().values() for one in tables), strict=True)
    return TensorTable(*map(torch.cat, parts))
