from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airloop.accounting.figures import Usage
from airloop.ledger import Ledger

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def row(key: str = "train:l:1", token: int = 1, **fields: Any) -> Usage:
    fields = {"step": key.split(":")[0], "entity": "lateness", "at": NOW, **fields}
    return Usage(key=key, token=token, **fields)


def test_an_attempt_written_again_is_replaced_and_not_added(ledger: Ledger) -> None:
    for seconds in (1.0, 2.0, 2.0):
        ledger.record_usage(row(cpu_seconds=seconds, peak_host_bytes=5 << 40))
    (found,) = ledger.usage("lateness")
    assert (found.cpu_seconds, found.peak_host_bytes) == (2.0, 5 << 40)


def test_retries_and_ranks_stand_beside_each_other(ledger: Ledger) -> None:
    for token, part in ((1, 0), (2, 0), (2, 1)):
        ledger.record_usage(row(token=token, part=part))
    assert len(ledger.usage("lateness")) == 3


def test_what_belongs_to_a_run_is_found_by_it(ledger: Ledger) -> None:
    for key in ("study:l:1", "trials:s:0", "trials:s:1", "trials:s_2:0", "train:l:1", "train:l:2"):
        ledger.record_usage(row(key))
    ledger.assign_usage("study:l:1", "train:l:1", prefix="trials:s:", run_id="r")
    assert {one.key for one in ledger.usage(run_id="r")} == {
        *("study:l:1", "trials:s:0", "trials:s:1", "train:l:1")
    }
    ledger.assign_usage("register:l:r", run_id="r", version=3)
    assert {one.version for one in ledger.usage(run_id="r")} == {3}
    assert {one.version for one in ledger.usage()} == {3, None}


def test_what_is_said_already_stays(ledger: Ledger) -> None:
    ledger.record_usage(row())
    ledger.assign_usage("train:l:1", run_id="first")
    ledger.assign_usage("train:l:1", run_id="second")
    ledger.record_usage(row(cpu_seconds=9))  # a late write of the attempt itself
    (found,) = ledger.usage()
    assert (found.run_id, found.cpu_seconds) == ("first", 9.0)


def test_a_pod_that_helped_and_writes_last_is_on_the_same_bill(ledger: Ledger) -> None:
    ledger.record_usage(row(part=0))
    ledger.assign_usage("train:l:1", run_id="r")
    ledger.record_usage(row(part=1, gpu_seconds=5))
    assert sum(one.gpu_seconds for one in ledger.usage(run_id="r")) == 5


def test_the_underline_of_a_name_is_no_wildcard(ledger: Ledger) -> None:
    ledger.record_usage(row("trials:a_b:0"))
    ledger.record_usage(row("trials:axb:0"))
    ledger.assign_usage(prefix="trials:a_b:", run_id="r")
    assert [one.key for one in ledger.usage(run_id="r")] == ["trials:a_b:0"]
