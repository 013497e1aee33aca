"""The window that predicts best is chosen, put on record, and kept for a while; too little history says what is done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from airloop.data.lake.lake import Lake
from airloop.errors import DataError
from airloop.ledger import Ledger
from airloop.ledger.incidents import Incident
from airloop.specs import DatasetSpec, ModelSpec
from airloop.testing import toy
from airloop.training import windows
from airloop.training.choice import can_weigh
from airloop.training.chosen import ALL, Choice
from airloop.training.validation import with_training
from airloop.vocabulary import Action, Topic
from tests.support.small_world import FEW_ROWS, guess
from tests.support.toy_lake import filled
from tests.unit.replay.conftest import dataset as dataset
from tests.unit.replay.conftest import model as fixed  # noqa: F401 - a fixture
from tests.unit.replay.conftest import world


@pytest.fixture(scope="module")
def model(fixed: ModelSpec) -> ModelSpec:
    return with_training(fixed, window_days=None)


@pytest.fixture(scope="module")
def lake(dataset: DatasetSpec, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A world that turned over on its sixtieth day, 2013-03-02, forty days before its end."""
    return Lake(filled(tmp_path_factory.mktemp("windows"), dataset, world(60)))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


def test_after_the_world_has_turned_over_the_shortest_window_is_best(
    lake: Lake, model: ModelSpec, dataset: DatasetSpec
) -> None:
    choice = windows.choose(lake, model, dataset, lake.partitions(dataset.name), None)
    assert choice.window == 30
    assert choice.losses["30d"] < choice.losses["60d"] < choice.losses["all"]
    assert "window 30d: log_loss of the next 5 days, 3 times" in choice.reason


def test_where_nothing_changed_more_history_is_no_worse(
    lake: Lake, model: ModelSpec, dataset: DatasetSpec
) -> None:
    choice = windows.choose(lake, model, dataset, lake.partitions(dataset.name), "2013-03-01")
    assert choice.losses["all"] < choice.losses["30d"] + 0.005
    assert choice.window in {30, ALL}


def test_the_gates_days_judge_no_window(
    lake: Lake, model: ModelSpec, dataset: DatasetSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def loss(_model: object, _dataset: object, frame: pd.DataFrame, *_: object) -> float:
        seen.append(f"{frame['day'].max():%Y-%m-%d}")
        return 0.0

    monkeypatch.setattr(windows, "_loss", loss)
    choice = windows.choose(lake, model, dataset, lake.partitions(dataset.name), "2013-03-10")
    assert set(seen) == {"2013-03-05"}  # five days are held out
    assert choice.window == 30  # of equals the shorter


def fading_is_best(model: ModelSpec, *_: object) -> float:
    return {None: 0.5, "30d": 0.4, "120d": 0.45}[model.training.half_life]


@pytest.fixture
def fading(monkeypatch: pytest.MonkeyPatch) -> None:
    """A world in which rows that fade predict best."""
    monkeypatch.setattr(windows, "_loss", fading_is_best)


def test_all_history_is_tried_with_rows_that_fade_too(
    lake: Lake, model: ModelSpec, dataset: DatasetSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = windows.choose(lake, model, dataset, lake.partitions(dataset.name), None)
    # Of a hundred days none is 120 old.
    assert [*choice.losses] == ["30d", "60d", "all", "all, half each 30d"]
    # After the turn the old days mislead, the less the less they count.
    assert choice.losses["all, half each 30d"] < choice.losses["all"]
    monkeypatch.setattr(windows, "_loss", fading_is_best)
    choice = windows.choose(lake, model, dataset, lake.partitions(dataset.name), None)
    assert (choice.window, choice.half_life) == (ALL, "30d")
    assert choice.reason.startswith("window all, half each 30d: log_loss")


@pytest.mark.usefixtures("fading")
def test_a_half_life_that_is_said_holds_for_every_window(
    lake: Lake, model: ModelSpec, dataset: DatasetSpec
) -> None:
    spec = with_training(model, half_life="120d")
    choice = windows.choose(lake, spec, dataset, lake.partitions(dataset.name), None)
    assert choice.losses == {"30d": 0.45, "60d": 0.45, "all": 0.45}
    assert choice.applied(spec).training.half_life == "120d"


@pytest.mark.usefixtures("fading")
def test_who_takes_no_weights_is_offered_no_half_life(
    lake: Lake, model: ModelSpec, dataset: DatasetSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy, "build", lambda _: KNeighborsClassifier())
    choice = windows.choose(lake, model, dataset, lake.partitions(dataset.name), None)
    assert choice.losses == {"30d": 0.5, "60d": 0.5, "all": 0.5}
    # Of two algorithms one must not be put out of the competition by what it cannot do.
    both = [{"name": "near"}, {"name": "straight", "build": "straight"}]
    spec = ModelSpec.model_validate(guess(algorithms=both, gates=FEW_ROWS))
    monkeypatch.setattr(toy, "straight", lambda _: LogisticRegression(), raising=False)
    assert not can_weigh(spec)
    monkeypatch.setattr(toy, "build", toy.straight)
    assert can_weigh(spec)


@pytest.mark.usefixtures("fading")
def test_a_half_life_is_on_record_and_taken_by_trainings_and_shadows_alike(
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    ledger: Ledger,
) -> None:
    first = windows.settled(ledger, lake, model, dataset, None)
    assert (first.training.window, first.training.half_life) == (ALL, "30d")
    [told] = ledger.decisions("guess", Topic.WINDOW)
    assert (told.figures["half_life"], told.figures["loss_all_half_each_30d"]) == ("30d", 0.4)
    assert windows.settled(ledger, lake, model, dataset, None) == first
    assert windows.known(ledger, model, dataset, "2013-04-30") == first


@pytest.mark.usefixtures("fading")
def test_a_half_life_that_the_trainer_cannot_follow_any_more_is_chosen_anew(
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = windows.settled(ledger, lake, model, dataset, None)
    monkeypatch.setattr(toy, "build", lambda _: KNeighborsClassifier())
    assert windows.known(ledger, model, dataset, "2013-04-30") == model
    again = windows.settled(ledger, lake, model, dataset, None)
    assert (again.training.window, again.training.half_life) == (30, None)
    # On record beside the other, though for the same day: it is taken from then on.
    assert [one.figures["half_life"] for one in ledger.decisions("guess", Topic.WINDOW)] == [
        None,
        "30d",
    ]
    assert windows.known(ledger, model, dataset, "2013-04-30") == again != first


@pytest.mark.usefixtures("fading")
def test_a_half_life_that_is_said_after_one_was_chosen_is_taken(
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    ledger: Ledger,
) -> None:
    windows.settled(ledger, lake, model, dataset, None)
    spec = with_training(model, half_life="90d")
    for found in (
        windows.settled(ledger, lake, spec, dataset, None),
        windows.known(ledger, spec, dataset, "2013-04-30"),
    ):
        assert (found.training.window, found.training.half_life) == (ALL, "90d")


def test_too_short_a_history_says_what_is_done_instead(
    lake: Lake, model: ModelSpec, dataset: DatasetSpec
) -> None:
    choice = windows.choose(lake, model, dataset, lake.partitions(dataset.name), "2013-02-10")
    assert (choice.window, choice.losses) == (60, {})
    assert "too few to choose a window by: the last 60 are taken, or all there are" in choice.reason
    with pytest.raises(DataError, match="not enough"):
        windows.choose(lake, model, dataset, lake.partitions(dataset.name), "2013-01-04")


def test_a_choice_is_on_record_and_holds_for_a_while(
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert windows.known(ledger, model, dataset, "2013-04-10") == model
    first = windows.settled(ledger, lake, model, dataset, None)
    assert (first.training.window, first.training.auto) == (30, False)
    [told] = ledger.decisions("guess", Topic.WINDOW)
    assert (told.action, told.figures["window"]) == (Action.CHOSEN, 30)

    def refuse(*_: object) -> None:
        raise AssertionError("chosen again")

    monkeypatch.setattr(windows, "choose", refuse)
    assert windows.settled(ledger, lake, model, dataset, None) == first
    assert windows.known(ledger, model, dataset, "2013-04-30") == first
    assert windows.known(ledger, model, dataset, "2013-07-30") == model
    with pytest.raises(
        AssertionError, match="chosen again"
    ):  # a choice is not for nights before it
        windows.settled(ledger, lake, model, dataset, "2013-03-20")


class Chosen:
    """Takes the place of a choice, and remembers the partitions that it was given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.there: Sequence[str] = ()
        monkeypatch.setattr(windows, "choose", self)

    def __call__(self, _lake: object, _model: object, _data: object, there: Sequence[str], *_: object) -> Choice:  # fmt: skip
        self.there = there
        return Choice(30, "r", {})


def broken_on(dataset: DatasetSpec, partition: str) -> Incident:
    return Incident(
        model="guess",
        dataset=dataset.name,
        partition=partition,
        digest="sha256:1",
        reason="it broke",
        at=datetime.now(UTC),
    )


def test_what_was_found_broken_chooses_no_window(
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ledger.remember_incident(broken_on(dataset, "2013-04-05"))
    choice = Chosen(monkeypatch)
    windows.settled(ledger, lake, model, dataset, None)
    assert len(choice.there) == 99
    assert "2013-04-05" not in choice.there


def test_as_of_a_moment_a_window_is_chosen_by_what_was_known_then_and_holds_for_nothing_else(
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = datetime.now(UTC)
    ledger.remember_incident(broken_on(dataset, "2013-04-05"))
    choice = Chosen(monkeypatch)
    assert windows.settled(ledger, lake, model, dataset, None, before).training.window == 30
    assert "2013-04-05" in choice.there
    windows.settled(ledger, lake, model, dataset, None, datetime.now(UTC))
    assert "2013-04-05" not in choice.there
    assert ledger.decisions("guess", Topic.WINDOW) == []


def test_as_of_a_moment_no_later_choice_is_taken(
    lake: Lake,
    model: ModelSpec,
    dataset: DatasetSpec,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = datetime.now(UTC)
    choice = Chosen(monkeypatch)
    chosen = windows.settled(ledger, lake, model, dataset, None)
    assert windows.known(ledger, model, dataset, "2013-04-30", before) == model
    assert windows.known(ledger, model, dataset, "2013-04-30", datetime.now(UTC)) == chosen
    choice.there = ()
    windows.settled(ledger, lake, model, dataset, None, datetime.now(UTC))
    assert choice.there == ()
    windows.settled(ledger, lake, model, dataset, None, before)
    assert len(choice.there) == 100


def test_a_window_that_is_said_is_taken(
    lake: Lake, fixed: ModelSpec, dataset: DatasetSpec, ledger: Ledger
) -> None:
    assert windows.settled(ledger, lake, fixed, dataset, None) == fixed
    assert ledger.decisions("guess", Topic.WINDOW) == []
