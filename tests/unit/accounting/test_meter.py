from __future__ import annotations

import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from airloop.accounting import meter as module
from airloop.accounting.figures import Usage
from airloop.accounting.gpus import GpuReading
from airloop.accounting.host import HostUse
from airloop.accounting.meter import Meter
from airloop.errors import UnreachableError

NOW = datetime(2026, 11, 21, tzinfo=UTC)
EMPTY = Usage(key="train:lateness:1", token=1, step="train", entity="lateness", at=NOW)


class Device:
    """GPUs that are as busy as they are told, one reading after another."""

    def __init__(self, *readings: list[GpuReading]) -> None:
        self.readings = list(readings)

    def read(self, pids: Collection[int]) -> list[GpuReading]:
        return self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def metered(write: Callable[[Usage], None], *readings: list[GpuReading], **more: Any) -> Meter:
    return Meter(EMPTY, write, host=HostUse(), gpus=Device(*(readings or ([],))), **more)


def test_gpu_seconds_are_those_held_and_utilisation_is_weighted_by_time(clock: Clock) -> None:
    written: list[Usage] = []
    one, two = GpuReading(10, 1.0), GpuReading(30, 0.0)
    meter = metered(written.append, [one], [one, two], interval=3600)
    clock.now += 10  # one GPU, all busy
    meter._sample()
    with meter:
        clock.now += 5  # two, of which one is busy
    (row,) = written
    assert (row.wall_seconds, row.gpu_seconds) == (15.0, 20.0)
    assert row.gpu_utilisation == pytest.approx((10 + 5) / 20)
    assert row.peak_gpu_bytes == 30
    assert row.outcome == "ok"


def test_without_a_gpu_nothing_is_said_of_one() -> None:
    written: list[Usage] = []
    with metered(written.append):
        pass
    assert (written[0].gpu_seconds, written[0].gpu_utilisation) == (0.0, None)
    assert written[0].cpu_seconds > 0
    assert written[0].peak_host_bytes > 1 << 20


def test_a_failed_attempt_is_written_as_such() -> None:
    written: list[Usage] = []
    with pytest.raises(ZeroDivisionError), metered(written.append):
        _ = 1 / 0
    assert written[-1].outcome == "failed"


def test_figures_are_written_on_the_way_ever_more_rarely() -> None:
    written: list[Usage] = []
    with metered(written.append, interval=0.01):
        end = time.monotonic() + 60
        while len(written) < 5 and time.monotonic() < end:
            time.sleep(0.01)
    ages = [row.wall_seconds for row in written[:5]]
    assert all(later >= 2 * earlier for earlier, later in pairwise(ages))
    assert {row.outcome for row in written[:-1]} == {None}


def test_a_ledger_that_does_not_answer_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(row: Usage) -> None:
        raise UnreachableError("the ledger's database does not answer")

    with metered(refuse):
        pass
    assert "the ledger's database does not answer" in caplog.text


def test_a_sample_costs_next_to_nothing() -> None:
    meter = metered(lambda _: None)
    meter._sample()
    begun = time.process_time()
    for _ in range(20):
        meter._sample()
    # A hundredth of the interval would be 20 ms; here it is measured with room for a slow machine.
    assert (time.process_time() - begun) / 20 < 0.1 * module.INTERVAL
