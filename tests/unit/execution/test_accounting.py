"""What steps used, in the ledger: whichever way they run and however they end."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from airloop.accounting.figures import Usage
from airloop.contracts import Fence
from airloop.errors import GateError, TransientError
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.accounting import accounted
from airloop.execution.context import StepContext
from airloop.execution.runner import StepRunner
from airloop.ledger import open_ledger
from airloop.settings import Settings
from airloop.specs import catalog
from airloop.specs.yaml.document import Document, read_document
from tests.support.checkout import ROOT
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


class _About(StepRequest):
    model: str


def test_a_step_and_its_account_read_the_spec_once_and_the_same(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counted(path: Path, **options: Any) -> Document:
        read.append(path.name)
        return read_document(path, **options)

    monkeypatch.setattr(catalog, "read_document", counted)
    context = StepContext(
        settings, catalog.Catalog(ROOT / "config").once(), open_ledger(settings), tmp_path
    )
    request = _About(model="flight_delay", fence=Fence(key="train:flight_delay:r", token=1))

    def body(asked: _About, context: StepContext) -> StepResult:
        model, dataset = context.catalog.pair(asked.model)
        assert context.catalog.model(asked.model) is model
        assert dataset.name == model.dataset
        return StepResult()

    accounted("train", request, context, body)
    assert sorted(read) == ["flight_delay.yaml", "flights.yaml"]


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
