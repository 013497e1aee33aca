"""What callers asked last is answered by candidate and champion before anybody meets the candidate."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from airloop.columns import PARTITION
from airloop.contracts import Check, Outcome
from airloop.data.lake.lake import Lake
from airloop.delivery import replaying
from airloop.delivery.replaying import HALF, apart, judge, replay, usual
from airloop.errors import UnreachableError
from airloop.serving.log.records import Answered, decode, encode
from airloop.settings import Settings
from airloop.specs.sections.serving import ReplaySpec
from tests.support.serving_fakes import (
    FakeModel,
    artifact,
    dataset_spec,
    deployment,
    model_spec,
    parsed_row,
)

SPEC = ReplaySpec()


def rows(count: int = 400) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "day": pd.to_datetime(["2013-03-01"] * count),
            "x": np.linspace(1, 3, count),
            "n": range(count),
            "class": ["a", "b"] * (count // 2),
        }
    )


def judged(candidate: FakeModel, champion: FakeModel | None = None, count: int = 400) -> Check:
    before, asked = champion or FakeModel(2.0), rows(count)
    return judge(SPEC, candidate, before, asked, before.predict(asked))  # type: ignore[arg-type]


def sliced(scale: float = 2.0) -> FakeModel:
    spec = model_spec()
    gates = spec.gates.model_copy(update={"slices": ("class",)})
    return FakeModel(scale, spec.model_copy(update={"gates": gates}))


def test_one_that_answers_a_little_otherwise_is_ok() -> None:
    found = judged(FakeModel(2.2))
    assert (found.outcome, found.figures["rows"], found.figures["differing"]) == (
        Outcome.OK,
        400,
        0,
    )


def test_another_unit_is_bad() -> None:
    found = judged(FakeModel(120.0))
    assert found.outcome is Outcome.BAD
    assert "400 of 400 rows that were asked last it answers otherwise" in found.reason


def test_one_that_is_wrong_in_one_slice_is_bad() -> None:
    class Partly(FakeModel):
        def predict(self, frame: pd.DataFrame, now: Any = None) -> np.ndarray:
            answers = super().predict(frame)
            odd = (frame["class"] == "b") & (frame["n"] % 200 != 199)
            return np.where(odd, 90.0, answers)

    spec = sliced().spec
    found = judged(Partly(2.0, spec))
    assert (found.outcome, found.reason) == (
        Outcome.BAD,
        "of class b, 198 of 200 rows it answers otherwise",
    )
    assert judged(Partly(2.0)).ok, "the average alone tells nothing"


def test_one_that_cannot_answer_real_rows_is_bad() -> None:
    class Choosy(FakeModel):
        def predict(self, frame: pd.DataFrame, now: Any = None) -> np.ndarray:
            return super().predict(frame.assign(**{"class": "unseen"}))

    found = judged(Choosy(2.0))
    assert found.outcome is Outcome.BAD
    assert "the candidate cannot answer all: the model refuses these rows" in found.reason


def test_one_that_is_far_slower_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    slow, quick = FakeModel(2.0), FakeModel(2.0)
    monkeypatch.setattr(replaying, "_seconds", lambda model, _: 2.0 if model is slow else 0.1)
    found = judged(slow, quick)
    assert (found.outcome, found.reason) == (
        Outcome.BAD,
        "it takes 2 s for 200 rows, the champion 0.1 s",
    )
    assert judged(slow, quick, count=100).ok, "of few rows the time tells nothing"


def test_other_numbers_than_the_champions_cannot_be_compared() -> None:
    class Several(FakeModel):
        def predict(self, frame: pd.DataFrame, now: Any = None) -> np.ndarray:
            return np.ones((len(frame), 3))

    assert judged(Several()).outcome is Outcome.UNKNOWN


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    monkeypatch.setattr(replaying.environments, "load", lambda *_: FakeModel(2.0))
    monkeypatch.setattr(replaying, "usual", lambda *_: 0.0)
    return Settings()


def log(settings: Settings, days: int = 3, each: int = 40) -> Lake:
    """What was asked on some days, as compaction puts it into the lake."""
    lake = Lake(settings)
    for day in range(1, days + 1):
        at = datetime(2013, 3, day, tzinfo=UTC)
        asked = [parsed_row(x=float(number), day=at.date()) for number in range(each)]
        answered = Answered(f"r{day}", 1, at, asked, [0.0] * each, "day", dataset_spec())
        table: pa.Table = decode([encode([answered])], dataset_spec())
        lake.append_once(
            "predictions__doubler", table, partition_by=PARTITION, app_id=f"{day}", sequence=1
        )
    return lake


def replayed(settings: Settings, candidate: FakeModel, lake: Lake | None = None) -> Check:
    return replay(settings, candidate, deployment(1), lake or Lake(settings))  # type: ignore[arg-type]


def test_the_last_rows_of_the_log_are_asked(settings: Settings) -> None:
    lake, few = log(settings), model_spec(replay={"rows": 50})
    found = replayed(settings, FakeModel(2.1), lake)
    assert (found.outcome, found.figures["rows"]) == (Outcome.OK, 120), found
    candidate = FakeModel(2.1, few)
    assert replayed(settings, candidate, lake).figures["rows"] == 50
    assert candidate.calls[0] == 50
    assert not replayed(settings, FakeModel(500.0), lake).ok


def test_where_nobody_has_asked_yet_or_serves_it_cannot_tell(settings: Settings) -> None:
    found = replayed(settings, FakeModel(2.0))
    assert (found.outcome, found.name) == (Outcome.UNKNOWN, "offline shadow")
    assert "the prediction log is empty" in found.reason
    first = replay(settings, FakeModel(2.0), None, log(settings))  # type: ignore[arg-type]
    assert (first.outcome, first.reason) == (
        Outcome.UNKNOWN,
        "no version serves yet to be held against",
    )


def test_a_champion_that_cannot_be_had_tells_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = log(settings)

    def gone(*_: object) -> None:
        raise UnreachableError("MLflow does not answer")

    monkeypatch.setattr(replaying.environments, "load", gone)
    assert replayed(settings, FakeModel(2.0), lake).outcome is Outcome.UNKNOWN


def test_a_spec_that_asks_for_no_rows_gets_none(settings: Settings) -> None:
    assert replayed(settings, FakeModel(2.0, model_spec(replay={"rows": 0}))).ok


def test_a_champion_that_says_the_same_of_what_it_never_learned_is_no_measure() -> None:
    """A winter's model gives each summer's row a twentieth, and the one that has learned summer a third: nothing is broken."""
    champion = np.full(300, 0.05) + np.random.default_rng(1).normal(0, 0.002, 300)
    learned, turned = champion + 0.3, 1 - champion
    assert apart(champion, learned).all()
    assert not apart(champion, learned, HALF).any()
    assert apart(champion, turned, HALF).all()


def test_what_is_no_difference_is_read_off_the_champions_own_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bins = SimpleNamespace(edges=(10.0, 20.0, 35.63))
    profile = SimpleNamespace(answered={"prediction": SimpleNamespace(bins=bins)})
    monkeypatch.setattr(replaying.artifacts, "fetch", lambda *_: None)
    monkeypatch.setattr(replaying.reference, "read", lambda _: profile)
    model = model_spec().model_copy(update={"task": "regression"})
    found = usual(model, artifact(1), Settings())
    assert found == pytest.approx(3 * (35.63 - 10.0) / 2.563)
    assert (
        usual(model.model_copy(update={"task": "classification"}), artifact(1), Settings()) == HALF
    )
