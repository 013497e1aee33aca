from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.support.checkout import ROOT


@pytest.fixture
def run_alone() -> Callable[[str], str]:
    """Runs code in a process of its own, in which nothing is imported yet."""

    def run(code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=100
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
