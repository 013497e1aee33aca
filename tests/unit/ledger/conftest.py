from __future__ import annotations

from pathlib import Path

import pytest

from airloop.contracts import ArtifactRef
from airloop.ledger import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


@pytest.fixture
def artifact() -> ArtifactRef:
    return ArtifactRef(uri="runs:/1/model", digest="sha256:" + "0" * 64)
