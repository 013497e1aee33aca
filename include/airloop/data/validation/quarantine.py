"""What validation lets in, and where it keeps the rest: ``<dataset>__quarantine``, with the reasons and the time.

Rows in quarantine belong to the good rows of the same attempt. They are written first and name those rows by
their digest, so that a crash between the two commits shows nothing half-done: :func:`quarantined_rows`
returns only rows whose good rows are really there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from airloop.columns import GOOD, QUARANTINE_BEFORE
from airloop.contracts import DatasetRef, Outcome, ValidationReport
from airloop.data.lake.digest import rows_digest
from airloop.data.lake.lake import Lake
from airloop.data.lake.renaming import bring_up_to_date
from airloop.data.lake.streams import Rows, with_text

if TYPE_CHECKING:
    import pandas as pd

#: What "no rows" digests to: an absent partition and an emptied one are the same.
EMPTY: Final = rows_digest(pa.table({}))


@dataclass(frozen=True)
class Validated:
    """A report with the rows it is about: none where the partition is refused."""

    report: ValidationReport
    good: Rows | None = None
    quarantined: Rows | None = None
    #: Of the good rows without the partition column, where it was computed on the way.
    digest: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the partition may go in."""
        return self.report.outcome is Outcome.OK


def table_name(dataset: str) -> str:
    """The name of a dataset's quarantine table."""
    return f"{dataset}__quarantine"


def bring_up(lake: Lake, dataset: str) -> str:
    """The name of a dataset's quarantine table, whose columns have their present names from here on.

    :raises UnreachableError: if the lake does not answer
    """
    name = table_name(dataset)
    bring_up_to_date(lake, name, QUARANTINE_BEFORE)
    return name


def belonging_to(quarantined: Rows, good_digest: str) -> Rows:
    """Quarantined rows with the name of the good rows they were separated from."""
    return with_text(quarantined, GOOD, good_digest)


def quarantined_rows(lake: Lake, ref: DatasetRef) -> pd.DataFrame:
    """The rows kept out of the partitions that a reference names, as they are now.

    :raises UnreachableError: if the lake does not answer
    """
    import pandas as pd

    name = bring_up(lake, ref.name)
    there = set(lake.partitions(name))
    frames = []
    for partition in ref.partitions:
        if partition in there:
            good = lake.partition_digest(ref.name, partition)
            rows = lake.read(lake.snapshot(name, [partition]))
            frames.append(rows[rows[GOOD] == good].drop(columns=[GOOD]))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
