from __future__ import annotations

import multiprocessing
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from sqlalchemy import event, func, select, update

from airloop.errors import SpecError
from airloop.ledger import Ledger
from airloop.ledger.database import Database
from airloop.ledger.migration import migrate
from airloop.ledger.schema import Age
from airloop.ledger.tables import metadata, version
from airloop.settings import Settings

#: The columns that may be NULL, by table.
NULLABLE = {
    *("airloop_deployments.previous", "airloop_deployments.request"),
    # Of a canary and a shadow: requests are shared out by their own ids.
    "airloop_traffic.key",
    *("airloop_incidents.actor", "airloop_incidents.resolution", "airloop_incidents.resolved_at"),
    *("airloop_triggers.claimed_by", "airloop_triggers.lease", "airloop_triggers.merged_into"),
    *("airloop_triggers.partition", "airloop_usage.gpu_utilisation", "airloop_usage.outcome"),
    *("airloop_usage.run_id", "airloop_usage.version"),
}


def _open(url: str, start: Barrier, protected: bool) -> None:
    # Between looking for the tables and creating them, so that the others look meanwhile.
    event.listen(metadata, "before_create", lambda *_, **__: time.sleep(0.2))
    if not protected:
        Database.writing = Database.reading  # type: ignore[method-assign]
    start.wait()
    Ledger(url).begin_attempt("k")


def _start_together(tmp_path: Path, *, protected: bool, starts: int = 6) -> tuple[Ledger, int]:
    """Several processes' very first start at once; returns the ledger and how many failed."""
    url = f"sqlite:///{tmp_path / 'new' / 'ledger.db'}"
    (tmp_path / "new").mkdir(exist_ok=True)
    context = multiprocessing.get_context("fork")
    start = context.Barrier(starts)
    children = [context.Process(target=_open, args=(url, start, protected)) for _ in range(starts)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    return Ledger(url), sum(child.exitcode != 0 for child in children)


def test_parallel_first_starts_do_not_race(tmp_path: Path) -> None:
    ledger, failed = _start_together(tmp_path, protected=True)
    assert failed == 0
    assert ledger.begin_attempt("k").token == 7
    with ledger.transaction() as connection:
        assert connection.execute(select(func.count()).select_from(version)).scalar() == 1


def test_without_the_lock_they_would(tmp_path: Path) -> None:
    """The control of the test above: one such start alone succeeds, several do not."""
    (tmp_path / "alone").mkdir()
    assert _start_together(tmp_path / "alone", protected=False, starts=1)[1] == 0
    assert _start_together(tmp_path, protected=False)[1] > 0


def test_a_ledger_of_a_newer_airloop_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger(f"sqlite:///{path}").transaction() as connection:
        connection.execute(update(version).values(version_num="9999"))
    before = path.read_bytes()
    with pytest.raises(
        SpecError, match=r"written by a newer Airloop \(revision 9999.*update Airloop"
    ):
        Ledger(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_opening_again_keeps_what_is_there(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    Ledger(url).begin_attempt("k")
    assert Ledger(url).begin_attempt("k").token == 2


def test_a_migration_says_how_the_ledger_stood_before(tmp_path: Path) -> None:
    settings = Settings(ledger_url=f"sqlite:///{tmp_path / 'ledger.db'}")
    assert [migrate(settings), migrate(settings)] == [Age.MISSING, Age.CURRENT]


def test_only_what_may_be_unknown_may_be_missing() -> None:
    columns = [(table.name, one) for table in metadata.sorted_tables for one in table.columns]
    empty = {f"{name}.{one.name}" for name, one in columns if one.nullable}
    assert empty == NULLABLE
