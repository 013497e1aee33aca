"""The real stack, started once for this folder's tests as a user starts it: `airloop up`, in a home of its own.

Its config is the project's, with a small window and a small model: the loop is the same, the figures are not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from airloop.devstack.airflow import Airflow
from airloop.settings import Settings, load_settings
from tests.support.killed_starts import kill_start, moments
from tests.support.stack import Stack, small_config


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Up for the file; whatever the tests did to it, nothing of it stays."""
    root = tmp_path_factory.mktemp("stack")
    home = root / "home"
    # Coverage's own switches would slow every daemon down.
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("COV")}
    env = inherited | {
        "AIRLOOP_HOME": str(home),
        "AIRLOOP_CONFIG": str(small_config(root / "config")),
    }
    running = Stack(home, env)

    def killed() -> None:
        """The first starts of this home are killed: all that follows runs on what `up` made of that."""
        for kill in moments(seed=8, number=2, longest=10.0):
            kill_start(running, kill)

    with running.up(before=killed):
        yield running


@pytest.fixture
def settings(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The stack's settings, in this process too."""
    for name in ("AIRLOOP_HOME", "AIRLOOP_CONFIG"):
        monkeypatch.setenv(name, stack.env[name])
    load_settings.cache_clear()
    yield load_settings()
    load_settings.cache_clear()


@pytest.fixture
def airflow(settings: Settings) -> Iterator[Airflow]:
    """Airflow's REST API, signed in."""
    with Airflow.connect(settings) as client:
        yield client
