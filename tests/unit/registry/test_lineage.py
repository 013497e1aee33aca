"""Where a model comes from, in a checkout and in an image."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from airloop.registry import lineage


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    lineage.git_revision.cache_clear()
    yield
    lineage.git_revision.cache_clear()


def test_an_image_says_what_it_was_built_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRLOOP_PROJECT", str(tmp_path))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setenv("AIRLOOP_REVISION", "abc123")
    assert lineage.git_revision() == "abc123"


def test_an_image_that_does_not_know_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRLOOP_PROJECT", str(tmp_path))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.delenv("AIRLOOP_REVISION", raising=False)
    assert lineage.git_revision() is None


def test_a_checkout_goes_by_its_own_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@x.example"]
    subprocess.run([*git, "init", "--quiet"], check=True, timeout=60)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "x"], check=True, timeout=60)
    monkeypatch.setenv("AIRLOOP_PROJECT", str(tmp_path))
    monkeypatch.setenv("AIRLOOP_REVISION", "abc123")
    revision = lineage.git_revision()
    assert revision is not None
    assert len(revision) == 40
