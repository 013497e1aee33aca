from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from airloop import console
from airloop.accounting.figures import Usage
from airloop.cli import main
from airloop.cli.commands.costs import duration, size
from airloop.ledger import Ledger, open_ledger
from airloop.settings import load_settings

NOW = datetime(2026, 11, 21, 7, 30, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    monkeypatch.setattr(console.out, "width", 250)
    load_settings.cache_clear()
    yield open_ledger(load_settings())
    load_settings.cache_clear()


def use(ledger: Ledger, key: str, token: int = 1) -> None:
    row = Usage(
        key=key, token=token, step=key.split(":")[0], entity="flight_delay", run_id="0123456789ab",
        version=3, wall_seconds=60, cpu_seconds=90, gpu_seconds=3600, gpu_utilisation=0.75,
        peak_host_bytes=3 << 30, peak_gpu_bytes=500 << 20, at=NOW,
    )  # fmt: skip
    ledger.record_usage(row)


def test_a_versions_costs_are_one_line(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    use(ledger, "train:flight_delay:t", 1)
    use(ledger, "train:flight_delay:t", 2)
    assert main.run(["costs", "flight_delay"]) == 0
    _, line = capsys.readouterr().out.splitlines()
    told = ["flight_delay", "3", "01234567", "train (2)", "2.0 min", "3.0 min", "2.0 h", "75%"]
    assert [part.strip() for part in line.split("  ") if part.strip()] == [
        *told, "3.0 GiB", "500 MiB", "2026-11-21 07:30",
    ]  # fmt: skip


def test_programs_get_json(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    use(ledger, "train:flight_delay:t")
    assert main.run(["costs", "--json"]) == 0
    (bill,) = json.loads(capsys.readouterr().out)
    assert (bill["gpu_seconds"], bill["steps"]) == (3600, {"train": 1})


def test_nothing_yet_and_an_unknown_name(
    ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["costs"]) == 0
    assert "nothing has run yet" in capsys.readouterr().out
    assert main.run(["costs", "flight_dely"]) == 2
    assert "did you mean 'flight_delay'" in capsys.readouterr().err


def test_units() -> None:
    assert [duration(s) for s in (0.31, 119, 120, 7199, 7200)] == [
        *("0.3 s", "119.0 s", "2.0 min", "120.0 min", "2.0 h")
    ]
    assert [size(b) for b in (1 << 20, (1 << 30) - 1, 1 << 30)] == ["1 MiB", "1024 MiB", "1.0 GiB"]
