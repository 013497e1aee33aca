"""What steps used, in the ledger: whichever way they run and however they end."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from airloop.accounting.figures import Usage
from airloop.contracts import Fence
from airloop.errors import GateError, TransientError
from airloop.execution.runner import StepRunner
from airloop.ledger import open_ledger
from airloop.settings import Settings
from tests.unit.execution.test_runner import _pids, _until, host, settings, way  # noqa: F401

KEY = "ingest:flights:2013-01-05"


def rows(settings: Settings) -> list[Usage]:
    return open_ledger(settings).usage()


def test_every_step_leaves_what_it_used(settings: Settings, way: str) -> None:
    StepRunner(settings).run("ingest", Fence(key=KEY, token=1), {"do": "work"})
    with pytest.raises(GateError):
        StepRunner(settings).run("ingest", Fence(key=KEY, token=2), {"do": "permanent"})
    second, first = rows(settings)
    assert (first.key, first.step, first.token, first.outcome) == (KEY, "ingest", 1, "ok")
    assert (second.token, second.outcome) == (2, "failed")
    assert 0 < first.cpu_seconds < 60
    assert first.peak_host_bytes > 10 << 20
    assert (first.gpu_seconds, first.gpu_utilisation) == (0.0, None)


def test_a_killed_attempt_counts_what_was_sampled_before(
    settings: Settings, tmp_path: Path
) -> None:
    runner = StepRunner(settings)

    def kill() -> None:
        _pids(tmp_path / "pids")
        _until(lambda: rows(settings), seconds=60)
        runner.stop()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(TransientError):
        runner.run(
            "ingest", Fence(key=KEY, token=1), {"do": "sleep", "path": str(tmp_path / "pids")}
        )
    killer.join()
    StepRunner(settings).run("ingest", Fence(key=KEY, token=2), {"do": "work"})
    second, killed = rows(settings)
    assert (killed.token, killed.outcome) == (1, None)
    assert killed.wall_seconds > 0
    assert killed.cpu_seconds > 0
    assert (second.token, second.outcome) == (2, "ok")
