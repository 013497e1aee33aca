from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airloop.accounting.figures import Usage, summaries, total

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def row(key: str, token: int = 1, **fields: Any) -> Usage:
    fields = {"step": key.split(":")[0], "entity": "lateness", "at": NOW, **fields}
    return Usage(key=key, token=token, **fields)


def test_seconds_are_summed_over_attempts_and_peaks_are_the_highest() -> None:
    killed = row("train:l:1", 1, cpu_seconds=5, gpu_seconds=10, gpu_utilisation=0.5,
                 peak_gpu_bytes=7, peak_host_bytes=1)  # fmt: skip
    second = row("train:l:1", 2, cpu_seconds=7, gpu_seconds=30, gpu_utilisation=0.9,
                 peak_gpu_bytes=3, peak_host_bytes=2, run_id="r", version=4)  # fmt: skip
    bill = total([killed, second])
    assert (bill.cpu_seconds, bill.gpu_seconds, bill.gpu_utilisation) == (12, 40, 0.8)
    assert (bill.peak_gpu_bytes, bill.peak_host_bytes) == (7, 2)
    assert (bill.steps, bill.attempts) == ({"train": 2}, 2)
    assert (bill.run_id, bill.version) == ("r", 4)


def test_several_pods_of_one_attempt_are_one_attempt() -> None:
    bill = total([row("train:l:1", part=part, gpu_seconds=10) for part in range(3)])
    assert (bill.attempts, bill.gpu_seconds) == (1, 30)


def test_each_run_has_its_bill_and_what_led_to_none_is_told_by_step() -> None:
    later = NOW + timedelta(hours=1)
    found = summaries([
        row("trials:s:0", run_id="r1"),
        row("train:l:1", run_id="r1"),
        row("train:l:2", run_id="r2", at=later),
        row("score:l:1", version=1),
        row("score:l:2", version=1),
    ])  # fmt: skip
    assert [(bill.run_id, bill.steps) for bill in found] == [
        ("r2", {"train": 1}),
        ("r1", {"trials": 1, "train": 1}),
        (None, {"score": 2}),
    ]
