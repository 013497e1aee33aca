"""The step ``replay`` over a real lake: a page where there is history, a reason where there is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from airloop.devstack.state import _replays
from airloop.steps import ingest, replay
from airloop.vocabulary import Action, Topic
from tests.support.loop.project import Project
from tests.support.small_world import FEW_ROWS, FLIGHTS, guess, small_world

DAYS = 45
FIRST = date(2013, 1, 1)


def rows(partition: str) -> Iterator[pd.DataFrame]:
    """A day on which distance makes late; after the turn the rain does."""
    number = (date.fromisoformat(partition) - FIRST).days
    random = np.random.default_rng(number)
    far, wet = random.normal(size=(2, 80))
    late = (far if number < 25 else wet) + 0.7 * random.normal(size=80) > 0
    ids = [f"{partition}-{one}" for one in range(80)]
    yield pd.DataFrame(
        {"id": ids, "day": partition, "far": far, "wet": wet, "late": late.astype(float)}
    )


MODEL = guess(
    training={"window_days": 14, "holdout_days": 4, "min_rows": 100},
    gates=FEW_ROWS,
    retraining={"cooldown_days": 3},
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    dataset = small_world(FLIGHTS).model_dump(mode="json", by_alias=True, exclude_defaults=True)
    dataset["source"] = {"kind": "python", "function": f"{__name__}:rows"}
    return Project(tmp_path, json.loads(json.dumps(dataset)), MODEL)


def fill(project: Project, days: int) -> None:
    keys = tuple(str(FIRST + timedelta(days=number)) for number in range(days))
    project.step(ingest, "ingest:world:all", dataset="world", partitions=keys)


def test_without_history_the_reason_is_told_and_nothing_is_kept(project: Project) -> None:
    nothing = project.step(replay, "replay:guess", model="guess")
    assert (nothing.page, nothing.reason) == (None, "the lake holds nothing of world yet")
    fill(project, 20)
    short = project.step(replay, "replay:guess", model="guess")
    assert short.page is None
    assert "20 days are too short a history: a replay needs" in short.reason
    assert project.ledger.decisions("guess", Topic.REPLAY) == []


def test_with_history_a_page_is_kept_and_the_ledger_points_to_it(project: Project) -> None:
    fill(project, DAYS)
    done = project.step(replay, "replay:guess", model="guess", policies=("never", "by_gain"))
    page = Path(done.page.removeprefix("file://"))
    assert page == project.home / "reports" / "guess" / "replay" / "replay.html"
    assert "Replay of guess" in page.read_text(encoding="utf-8")
    [told] = project.ledger.decisions("guess", Topic.REPLAY)
    assert (told.action, told.figures["best"]) == (Action.MEASURED, "by_gain")
    assert told.reason == done.reason
    assert _replays(project.settings) == (told.reason,)
