from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airloop.contracts import ArtifactRef, DriftReport, Triage
from airloop.ledger import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


@pytest.fixture
def artifact() -> ArtifactRef:
    return ArtifactRef(uri="runs:/1/model", digest="sha256:" + "0" * 64)


@pytest.fixture
def night() -> Callable[..., DriftReport]:
    """A night's report: ``night("2013-07-14", Triage.DRIFT)``."""

    def build(partition: str, triage: Triage = Triage.DRIFT, **more: Any) -> DriftReport:
        return DriftReport(
            model="flight_delay",
            partition=partition,
            reference_rows=1_000,
            current_rows=900,
            triage=triage,
            **{"features": (), "reason": f"temp is {triage}", **more},
        )

    return build
