"""A lake whose partitions are named by the digests of before: read, confirmed, and not written again for the same rows."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from airloop.columns import AT, REASONS
from airloop.contracts import DatasetRef, Outcome, ValidationReport
from airloop.data import publication
from airloop.data.lake import delta, pinned, sorted_digest
from airloop.data.lake.digest import SCHEME
from airloop.data.lake.lake import Lake
from airloop.data.publication import Content, PartitionPublication
from airloop.data.validation.quarantine import Validated, quarantined_rows
from airloop.errors import DamagedError, DataError
from airloop.ledger import Ledger
from airloop.ledger.commit import commit
from airloop.settings import Settings
from tests.faults.partition_scenario import SPEC

DAY = "2013-01-02"
KEY = f"ingest:rows:{DAY}"


def rows(numbers: range) -> pa.Table:
    day = pa.array([date.fromisoformat(DAY)] * len(numbers), pa.date32())
    return pa.table({"id": list(numbers), "day": day})


def content(good: int = 10, aside: int = 3) -> Content:
    report = ValidationReport(
        dataset="rows", partition=DAY, outcome=Outcome.OK, checks=(), rows=good + aside
    )
    bad = rows(range(100, 100 + aside)).append_column(REASONS, pa.array(["odd"] * aside))
    now = pa.array([datetime.now(UTC)] * aside, pa.timestamp("us", "UTC"))
    return Content.of(SPEC, DAY, Validated(report, rows(range(good)), bad.append_column(AT, now)))


class World:
    """A lake, and the ledger that counts its attempts."""

    def __init__(self, folder: Path) -> None:
        self.lake = Lake(Settings(lake_uri=str(folder / "lake")))
        self.ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}")

    def ingest(self, what: Content) -> tuple[DatasetRef, PartitionPublication]:
        fence = self.ledger.begin_attempt(KEY)
        attempt = PartitionPublication(self.lake, what, fence)
        return commit(self.ledger, fence, attempt), attempt

    @property
    def name(self) -> str:
        return str(self.lake.partition_digest("rows", DAY))


@pytest.fixture
def former(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """What the release before made."""
    world = World(tmp_path)
    with monkeypatch.context() as then:
        for module in (publication, delta):
            then.setattr(module, "rows_digest", sorted_digest.rows_digest)
        then.setattr(publication, "EMPTY", sorted_digest.rows_digest(pa.table({})))
        world.ingest(content())
    assert world.name.startswith("sha256:")
    return world


def test_it_is_read_and_confirmed(former: World) -> None:
    ref = former.lake.snapshot("rows", [DAY])
    former.lake.verify(ref)
    assert sorted(former.lake.read(ref)["id"]) == list(range(10))
    assert len(quarantined_rows(former.lake, ref)) == 3


def test_the_same_rows_again_change_nothing(former: World) -> None:
    before = former.lake.snapshot("rows", [DAY])
    after, _ = former.ingest(content())
    assert (after.digest, after.integrity) == (before.digest, before.integrity)
    assert len(quarantined_rows(former.lake, after)) == 3
    assert content().is_in(former.lake)


def test_other_rows_get_a_digest_of_now(former: World) -> None:
    ref, attempt = former.ingest(content(good=11))
    assert former.name.startswith(SCHEME)
    assert attempt.changes is not None
    assert attempt.changes.before.startswith("sha256:")
    assert (attempt.changes.added, attempt.changes.removed) == (1, 0)
    assert len(quarantined_rows(former.lake, ref)) == 3


def test_more_rows_aside_are_named_after_the_good_ones_that_are_there(former: World) -> None:
    ref, attempt = former.ingest(content(aside=4))
    assert attempt.changes is None
    assert len(quarantined_rows(former.lake, ref)) == 4


def test_a_damaged_file_is_noticed_and_written_again(former: World) -> None:
    [path] = Path(former.lake.table_uri("rows")).glob("day=*/*.parquet")
    path.write_bytes(path.read_bytes()[:-40] + b"\0" * 40)
    with pytest.raises(DamagedError):
        former.lake.verify(former.lake.snapshot("rows", [DAY]))
    ref, _ = former.ingest(content())
    assert former.name.startswith(SCHEME)
    assert len(quarantined_rows(former.lake, ref)) == 3


def test_a_name_that_lies_about_its_rows_is_noticed(former: World) -> None:
    """The control: the digest of before is computed again, not only looked at."""
    log = Path(former.lake.table_uri("rows")) / "_delta_log"
    [path] = Path(former.lake.table_uri("rows")).glob("day=*/*.parquet")
    lying = re.sub(r"^[0-9a-f]{64}", "0" * 64, path.name)
    for entry in log.glob("*.json"):
        entry.write_text(entry.read_text().replace(path.name, lying))
    path.rename(path.with_name(lying))
    lake = Lake(Settings(lake_uri=former.lake.uri))
    with pytest.raises(DataError, match="not the ones that were recorded"):
        lake.verify(lake.snapshot("rows", [DAY]))


def test_what_was_appended_is_known_by_the_digest_it_was_recorded_by(
    former: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    former.lake.append_once("log", rows(range(5)), partition_by="day", app_id="a", sequence=1)
    by_scheme = pinned._appended_digest
    with monkeypatch.context() as then:
        then.setattr(
            pinned, "_appended_digest", lambda *told: by_scheme(*told[:4], sorted_digest.SCHEME)
        )
        ref = former.lake.snapshot("log", [DAY])
    assert ref != former.lake.snapshot("log", [DAY])
    former.lake.verify(ref)
    assert len(former.lake.read(ref)) == 5
