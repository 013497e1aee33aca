from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from airloop.contracts import Fence
from airloop.errors import SupersededError
from airloop.ledger import Ledger
from airloop.ledger.commit import Stage, commit
from airloop.ledger.faults import PlantedFaultError

KEY = "ingest:flights:2013-01-05"


@dataclass
class Shelf:
    """A publication into a shared list, which remembers what was called."""

    content: str
    shelf: list[str]
    calls: list[str] = field(default_factory=list)
    during: dict[str, Any] = field(default_factory=dict)

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if act := self.during.get(name):
            act()

    def published(self) -> str | None:
        self._called("published")
        return self.content if self.content in self.shelf else None

    def stage(self) -> None:
        self._called("stage")

    def checksum(self) -> str:
        self._called("checksum")
        return f"sha256:{self.content}"

    def publish(self, fence: Fence, digest: str) -> str:
        self._called("publish")
        self.shelf.append(self.content)
        return self.content

    def verify(self, result: str, digest: str) -> None:
        self._called("verify")
        assert digest == f"sha256:{result}"


def test_a_commit_goes_through_its_stages_in_order(ledger: Ledger) -> None:
    publication = Shelf("rows", [])
    assert commit(ledger, ledger.begin_attempt(KEY), publication) == "rows"
    assert publication.calls == ["published", "stage", "checksum", "publish", "verify"]


def test_a_second_attempt_converges_and_changes_nothing(ledger: Ledger) -> None:
    shelf: list[str] = []
    commit(ledger, ledger.begin_attempt(KEY), Shelf("rows", shelf))
    again = Shelf("rows", shelf)
    assert commit(ledger, ledger.begin_attempt(KEY), again) == "rows"
    assert again.calls == ["published"]
    assert shelf == ["rows"]


def test_without_asking_what_is_published_it_would_publish_twice(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above."""
    monkeypatch.setattr(Shelf, "published", lambda self: None)
    shelf: list[str] = []
    for _ in range(2):
        commit(ledger, ledger.begin_attempt(KEY), Shelf("rows", shelf))
    assert shelf == ["rows", "rows"]


@pytest.mark.parametrize("stage", ["published", "stage", "checksum"])
def test_an_attempt_overtaken_before_it_publishes_changes_nothing(
    ledger: Ledger, stage: str
) -> None:
    shelf: list[str] = []
    late = Shelf("old rows", shelf, during={stage: lambda: ledger.begin_attempt(KEY)})
    with pytest.raises(SupersededError, match="superseded by attempt 2"):
        commit(ledger, ledger.begin_attempt(KEY), late)
    assert shelf == []


def test_without_the_fence_it_would_publish_over_the_newer_one(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above."""
    monkeypatch.setattr(Ledger, "check_fence", lambda self, fence: None)
    shelf: list[str] = []
    late = Shelf("old rows", shelf, during={"stage": lambda: ledger.begin_attempt(KEY)})
    commit(ledger, ledger.begin_attempt(KEY), late)
    assert shelf == ["old rows"]


def test_an_overtaken_attempt_reports_no_success_for_what_the_newer_one_did(
    ledger: Ledger,
) -> None:
    shelf: list[str] = []
    old, new = ledger.begin_attempt(KEY), ledger.begin_attempt(KEY)
    commit(ledger, new, Shelf("rows", shelf))
    with pytest.raises(SupersededError):
        commit(ledger, old, Shelf("rows", shelf))


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("stage", list(Stage))
def test_a_fault_is_planted_at_each_stage(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, stage: Stage, moment: str
) -> None:
    shelf: list[str] = []
    monkeypatch.setenv("AIRLOOP_FAULT", f"ingest:flights:@{stage}:{moment}:error")
    with pytest.raises(PlantedFaultError, match=f"{KEY} {stage}:{moment}"):
        commit(ledger, ledger.begin_attempt(KEY), Shelf("rows", shelf))
    monkeypatch.delenv("AIRLOOP_FAULT")
    commit(ledger, ledger.begin_attempt(KEY), Shelf("rows", shelf))
    assert shelf == ["rows"]


@pytest.mark.parametrize(
    "fault", ["", "promote:@stage:before:error", "nonsense", f"{KEY}@nowhere:before:error"]
)
def test_a_fault_planted_elsewhere_does_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setenv("AIRLOOP_FAULT", fault)
    assert commit(ledger, ledger.begin_attempt(KEY), Shelf("rows", [])) == "rows"
