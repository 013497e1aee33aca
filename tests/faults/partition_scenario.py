"""One partition's life in the lake: good rows, quarantined rows, fence and all."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from airloop.columns import AT, REASONS
from airloop.contracts import Fence, Outcome, ValidationReport
from airloop.data.changes import Changes
from airloop.data.lake import delta, tables
from airloop.data.lake.lake import Lake
from airloop.data.publication import Content, PartitionPublication
from airloop.data.validation.quarantine import Validated, quarantined_rows, table_name
from airloop.ledger import Ledger
from airloop.ledger.commit import commit
from airloop.settings import Settings
from airloop.specs.dataset import DatasetSpec

PARTITION = "2013-01-05"
GOOD, BAD = 200, 7
SPEC = DatasetSpec.model_validate(
    {
        "name": "rows",
        "description": "numbered rows",
        "owner": "tests",
        "source": {"kind": "python", "function": "tests.nowhere:rows"},
        "partition_column": "day",
        "start": date(2013, 1, 1),
        "keys": ["id"],
        "columns": {
            "id": {"type": "integer", "nullable": False},
            "day": {"type": "date", "nullable": False},
        },
        "expectations": [{"expect": "expect_column_values_to_be_unique", "with": {"column": "id"}}],
    }
)


def validated() -> Validated:
    """What validation would have said of the numbered rows."""
    report = ValidationReport(
        dataset="rows", partition=PARTITION, outcome=Outcome.OK, checks=(), rows=GOOD + BAD
    )
    bad = _rows(range(GOOD, GOOD + BAD))
    bad = bad.append_column(REASONS, pa.array(["because"] * BAD))
    now = pa.array([datetime.now(UTC)] * BAD, pa.timestamp("us", "UTC"))
    return Validated(report, _rows(range(GOOD)), bad.append_column(AT, now))


def _rows(numbers: range) -> pa.Table:
    day = date.fromisoformat(PARTITION)
    return pa.table({"id": list(numbers), "day": pa.array([day] * len(numbers), pa.date32())})


def _commit_whatever_is_there(
    self: Lake, name: str, staged: delta.Staged, fence: Fence, changes: Changes | None = None
) -> int:
    table = tables.open_table(self.table_uri(name), {})
    assert table is not None
    return delta.commit(table, staged, fence, name)


def _kill_after_the_first_commit() -> None:
    committing = delta.commit

    def commit_and_die(*arguments: Any) -> int:
        committing(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    delta.commit = commit_and_die


@dataclass(frozen=True)
class PartitionScenario:
    """A partition in a folder."""

    folder: Path
    key: str = f"ingest:rows:{PARTITION}"

    def lake(self) -> Lake:
        return Lake(
            Settings(lake_uri=str(self.folder / "lake"), reports_uri=str(self.folder / "reports"))
        )

    def ledger(self) -> Ledger:
        return Ledger(f"sqlite:///{self.folder / 'ledger.db'}")

    def attempt(self, sabotage: str = "") -> None:
        if sabotage == "unfenced":
            Ledger.check_fence = lambda self, fence: None  # type: ignore[method-assign]
            Lake.commit_partition = _commit_whatever_is_there  # type: ignore[method-assign]
            delta.check_not_superseded = lambda table, fence, where: None
        if sabotage == "killed between the commits":
            _kill_after_the_first_commit()
        ledger = self.ledger()
        fence = ledger.begin_attempt(self.key)
        commit(
            ledger,
            fence,
            PartitionPublication(self.lake(), Content.of(SPEC, PARTITION, validated()), fence),
        )

    def visible(self) -> str | None:
        lake = self.lake()
        if PARTITION not in lake.partitions("rows"):
            return None
        ref = lake.snapshot("rows", [PARTITION])
        assert sorted(lake.read(ref)["id"]) == list(range(GOOD)), "half a partition"
        assert len(quarantined_rows(lake, ref)) == BAD, "a partition without its quarantine"
        return ref.digest

    def commits(self) -> int:
        """How often the partition was replaced, by the table's own history."""
        table = tables.open_table(self.lake().table_uri("rows"), {})
        if table is None:
            return 0
        return sum("airloop" in entry for entry in table.history())

    def quarantine_commits(self) -> int:
        """How often its quarantine was replaced."""
        table = tables.open_table(self.lake().table_uri(table_name("rows")), {})
        if table is None:
            return 0
        return sum("airloop" in entry for entry in table.history())
