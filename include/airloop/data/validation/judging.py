"""A partition's rows judged while they pass by: counted, digested and put aside, so that memory holds one batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from airloop.columns import AT, REASONS
from airloop.contracts import Outcome
from airloop.data.lake.digest import RowsDigest
from airloop.data.lake.streams import Rows
from airloop.data.schema import arrow_schema
from airloop.data.spool import Spool
from airloop.data.validation.batches import SuiteCounts
from airloop.data.validation.structure import ContentCounts
from airloop.data.validation.suite import Evaluated, declared_and_implied
from airloop.specs.dataset import DatasetSpec, Severity


class Seen:
    """The rows of a partition that came so far, with all that is asked of them.

    :raises SpecError: if an expectation is not one that GX knows
    """

    def __init__(self, spec: DatasetSpec, partition: str, where: str) -> None:
        schema = arrow_schema(spec)
        self.content = ContentCounts(spec, partition)
        self.suite = SuiteCounts(declared_and_implied(spec), schema, where)
        self.digest = RowsDigest([spec.key_column])
        self.spool = Spool(schema)

    def add(self, rows: pa.Table) -> None:
        """Count typed rows and put them aside."""
        for batch in rows.to_batches():
            self.content.add(batch)
            self.suite.add(batch)
            self.digest.add(batch)
            self.spool.add(batch)


class Aside:
    """The rows that expectations send to quarantine, and why each of them goes there."""

    def __init__(self, evaluated: Sequence[Evaluated], rows: int) -> None:
        self._places: list[tuple[str, npt.NDArray[np.int64]]] = [
            (one.name, np.sort(np.asarray(one.rows, np.int64)))
            for one in evaluated
            if one.expectation.severity is Severity.QUARANTINE
            and one.outcome is Outcome.BAD  # a check that passed, by `mostly`, names none
            and one.rows
        ]
        self.mask = np.zeros(rows, np.bool_)
        for _, places in self._places:
            self.mask[places] = True
        self.count = int(self.mask.sum())

    def reasons(self, places: slice) -> list[str]:
        """Why each row of these places that is put aside is, in their order."""
        found: dict[int, list[str]] = {}
        for name, rows in self._places:
            first, last = np.searchsorted(rows, [places.start, places.stop])
            for row in rows[first:last].tolist():
                found.setdefault(row, []).append(name)
        return ["; ".join(names) for _, names in sorted(found.items())]


class Parted:
    """Rows parted into the good ones and those that are put aside, once their verdict is known."""

    def __init__(self, seen: Seen, aside: Aside) -> None:
        self.good: Rows = seen.spool.rows(~aside.mask if aside.count else None)
        #: Missing values of the good rows, by column.
        self.missing = Counter(seen.content.missing)
        now = datetime.now(UTC)
        schema = seen.spool.schema
        names = list(schema.names)
        schema = schema.append(pa.field(REASONS, pa.string()))
        schema = schema.append(pa.field(AT, pa.timestamp("us", "UTC")))
        apart = Spool(schema)
        for places, batch in seen.spool.pieces(names, aside.mask) if aside.count else ():
            seen.digest.remove(batch)
            for name, column in zip(names, batch.columns, strict=True):
                self.missing[name] -= column.null_count
            reasons = pa.array(aside.reasons(places), pa.string())
            at = pa.array([now] * batch.num_rows, pa.timestamp("us", "UTC"))
            apart.add(pa.RecordBatch.from_arrays([*batch.columns, reasons, at], schema=schema))
        self.quarantined: Rows = apart.rows()
        self.digest = seen.digest.digest()
