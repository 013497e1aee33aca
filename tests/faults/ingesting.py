"""The ingest step as a fault scenario: one day of a small CSV, two of its rows for the quarantine."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from airloop.contracts import DatasetRef, Fence
from airloop.data import spool
from airloop.data.changes import Changes
from airloop.data.lake import delta, written
from airloop.data.lake.lake import Lake
from airloop.data.lake.streams import whole
from airloop.data.publication import PartitionPublication
from airloop.errors import AirloopError
from airloop.execution.context import StepContext
from airloop.ledger import Ledger
from airloop.settings import Settings
from airloop.specs import Catalog
from airloop.steps import ingest

DAY = "2013-01-05"
SPEC = """
name: events
description: Numbered rows.
owner: data-engineering
source: {{kind: file, path: "{folder}/source/{{partition}}.csv", format: csv}}
partition_column: day
start: 2013-01-01
keys: [id]
columns:
  id: {{type: string, nullable: false}}
  day: {{type: date, nullable: false}}
  value: {{type: float}}
expectations:
  - {{expect: expect_table_row_count_to_be_between, with: {{min_value: 10, max_value: 10000}}}}
  - {{expect: expect_column_values_to_be_between, severity: quarantine,
     with: {{column: value, min_value: 0, max_value: 1000000}}}}
"""
ROWS, BAD = 400, 2


def _ignore_fences() -> None:
    """Neither the ledger nor the lake looks at tokens any more."""
    Ledger.check_fence = lambda self, fence: None  # type: ignore[method-assign]
    delta.check_not_superseded = lambda *_: None
    properties: Callable[..., Any] = delta.CommitProperties
    delta.CommitProperties = lambda **given: properties(  # type: ignore[misc, assignment]
        custom_metadata=given["custom_metadata"]
    )


def _leave_no_token() -> None:
    """Who finds its rows public leaves nothing in the lake's log."""
    delta.leave_token = lambda *_: None


def _publish_in_two_halves() -> None:
    """The partition appears by one commit, and would be completed by another: killed in between."""

    def publish(self: PartitionPublication, fence: Fence, digest: str) -> DatasetRef:
        good = whole(self._content.good)
        half = good.slice(0, good.num_rows // 2)
        staged = self._lake.stage_partition(
            "events", DAY, half, partition_column="day", fence=fence
        )
        self._lake.commit_partition("events", staged, fence)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("unreachable")

    PartitionPublication.publish = publish  # type: ignore[method-assign]


def _publish_without_asking() -> None:
    """Nobody asks what is there already."""
    PartitionPublication.published = lambda self: None  # type: ignore[method-assign]

    def commit_partition(
        self: Lake, name: str, staged: delta.Staged, fence: Fence, changes: Changes | None = None
    ) -> int:
        return delta.commit(self._there(name), staged, fence, name)

    Lake.commit_partition = commit_partition  # type: ignore[method-assign]


def _die_after(owner: Any, name: str, times: int) -> Callable[[], None]:
    """All rows go by way of files, as a large partition's do; the process is killed within a write of them."""

    def sabotage() -> None:
        spool.HELD, written.HELD = 0, 1  # type: ignore[misc]
        whole_call, calls = getattr(owner, name), [0]

        def call(*given: Any, **named: Any) -> Any:
            found = whole_call(*given, **named)
            calls[0] += 1
            if calls[0] == times:
                os.kill(os.getpid(), signal.SIGKILL)
            return found

        setattr(owner, name, call)

    return sabotage


#: Where a partition's rows are half on their way: typed ones in the spool, those of a row group in the file, its bytes in the lake.
HALFWAY: dict[str, Callable[[], None]] = {
    "spooling": _die_after(spool.Spool, "add", 1),
    "writing": _die_after(written._Hashed, "write", 3),
    "storing": _die_after(delta, "store", 1),
}


SABOTAGES: dict[str, Callable[[], None]] = {
    **HALFWAY,
    "": lambda: None,
    "no fence": _ignore_fences,
    "no token": _leave_no_token,
    "two halves": _publish_in_two_halves,
    "not asking": _publish_without_asking,
}


@dataclass(frozen=True)
class IngestScenario:
    """One partition's life in a folder."""

    folder: Path
    key: str = f"ingest:events:{DAY}"

    def prepare(self) -> IngestScenario:
        """Write the spec, the source and an empty ledger."""
        datasets = self.folder / "config" / "datasets"
        datasets.mkdir(parents=True)
        (datasets / "events.yaml").write_text(SPEC.format(folder=self.folder), encoding="utf-8")
        (self.folder / "source").mkdir()
        self.write_source(offset=0)
        self.ledger()
        return self

    def write_source(self, offset: int) -> None:
        """The day's file, as the upstream has it now."""
        values = [number + offset for number in range(ROWS - BAD)] + [-1.0] * BAD
        lines = [f"{DAY}-{number},{DAY},{value}" for number, value in enumerate(values)]
        text = "\n".join(["id,day,value", *lines, ""])
        (self.folder / "source" / f"{DAY}.csv").write_text(text, encoding="utf-8")

    def settings(self) -> Settings:
        return Settings(
            lake_uri=str(self.folder / "lake"),
            reports_uri=str(self.folder / "reports"),
            ledger_url=f"sqlite:///{self.folder / 'ledger.db'}",
        )

    def ledger(self) -> Ledger:
        return Ledger(self.settings().ledger_url)

    def attempt(self, sabotage: str = "") -> None:
        SABOTAGES[sabotage]()
        # The page for people costs more than all the rest, and is no part of what is published.
        ingest.write_page = lambda *_: "file:///dev/null"
        ledger = self.ledger()
        fence = ledger.begin_attempt(self.key)
        work = self.folder / f"work-{os.getpid()}"
        work.mkdir()
        tempfile.tempdir = str(work)
        context = StepContext(self.settings(), Catalog(self.folder / "config"), ledger, work)
        ingest.run(ingest.Request(fence=fence, dataset="events", partition=DAY), context)

    def visible(self) -> str | None:
        lake = Lake(self.settings())
        if DAY not in lake.partitions("events"):
            return None
        ref = lake.snapshot("events", [DAY])
        try:
            lake.verify(ref)
        except AirloopError as error:
            raise AssertionError(str(error)) from error
        assert ref.rows == ROWS - BAD, f"{ref.rows} of {ROWS - BAD} rows"
        kept = lake.snapshot("events__quarantine", [DAY])
        assert kept.rows == BAD, f"{kept.rows} of {BAD} rows in quarantine"
        return ref.digest

    def first_value(self) -> float:
        """Of the rows a reader sees."""
        lake = Lake(self.settings())
        return float(lake.read(lake.snapshot("events", [DAY]))["value"].min())

    def commits(self) -> int:
        table = DeltaTable(str(self.folder / "lake" / "events"))
        return sum("airloop" in entry for entry in table.history())
