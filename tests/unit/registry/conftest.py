"""One packed artifact, trained once for all tests of the registry."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.loop.artifact import Packed, pack_one


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    return pack_one(tmp_path_factory.mktemp("packed"))


@pytest.fixture
def copy(packed: Packed, tmp_path: Path) -> Path:
    """A copy of its folder that a test may damage."""
    return Path(shutil.copytree(packed.folder, tmp_path / "model"))
