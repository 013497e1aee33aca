"""A replay of other features than the champion's would judge another model."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from airloop.contracts import ArtifactRef
from airloop.errors import RequestError
from airloop.ledger import Ledger
from airloop.replay import champion
from airloop.settings import Settings
from tests.unit.replay.conftest import MakePast


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


def deployed(ledger: Ledger) -> None:
    ledger.record_deployment(
        ledger.begin_attempt("promote:guess"),
        model="guess",
        version=3,
        artifact=ArtifactRef(uri="runs:/1/model", digest="sha256:" + "0" * 64),
        kind="promote",
        reason="first",
    )


def trained_on(monkeypatch: pytest.MonkeyPatch, folder: Path, *features: str) -> None:
    (folder / champion.SPEC).write_bytes(b"{}")
    monkeypatch.setattr(champion, "fetch", lambda artifact, settings: folder)
    frozen = SimpleNamespace(read=lambda content: SimpleNamespace(features=features))
    monkeypatch.setattr(champion, "FrozenSpec", frozen)


def test_without_a_champion_there_is_none_to_mistake(ledger: Ledger, past: MakePast) -> None:
    champion.check_features(Settings(), ledger, past())


def test_the_same_features_are_replayed(
    ledger: Ledger, past: MakePast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed(ledger)
    trained_on(monkeypatch, tmp_path, "far", "wet")
    champion.check_features(Settings(), ledger, past())


def test_changed_features_are_refused(
    ledger: Ledger, past: MakePast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed(ledger)
    trained_on(monkeypatch, tmp_path, "far", "cold")
    with pytest.raises(RequestError, match="version 3 was trained on") as told:
        champion.check_features(Settings(), ledger, past())
    assert "['cold', 'wet']" in str(told.value)
