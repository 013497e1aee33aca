"""One night's change in few columns is named; seasons, storms and a reference that knows too little are not."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from airloop.monitoring import health, reference
from airloop.monitoring.day import observe
from airloop.monitoring.health.clocks import clocks_changed
from airloop.monitoring.reference import Reference
from airloop.monitoring.window import Window
from airloop.specs import DatasetSpec, ModelSpec

Frame = pd.DataFrame
Make = Callable[..., Frame]
NIGHT = "2013-03-02"


def celsius(frame: Frame) -> Frame:
    return frame.assign(x1=(frame["x1"] - 32) / 1.8)


def sentinel(frame: Frame) -> Frame:
    some = np.random.default_rng(0).random(len(frame)) < 0.05
    return frame.assign(x1=frame["x1"].mask(some, -999.0))


def quarter(frame: Frame) -> Frame:
    some = np.random.default_rng(0).random(len(frame)) < 0.25
    return frame.assign(x1=frame["x1"].mask(some))


def folded(frame: Frame) -> Frame:
    some = (frame["carrier"] == "AA") & (np.random.default_rng(0).random(len(frame)) < 0.7)
    return frame.assign(carrier=frame["carrier"].mask(some, "B6"))


CHANGES: dict[str, tuple[Callable[[Frame], Frame], str]] = {
    "a factor": (lambda frame: frame.assign(x1=frame["x1"] * 60), "× 60"),
    "degrees": (celsius, "x1"),
    "a stand-in": (sentinel, "-999 in 4% of the rows"),
    "a quarter null": (quarter, "values missing as never before"),
    "a sign": (lambda frame: frame.assign(x1=frame["x1"].abs()), "the sign is lost: no negative"),
    "folded": (folded, "'AA' counted as 'B6'"),
    "lower case": (
        lambda frame: frame.assign(carrier=frame["carrier"].str.lower()),
        "written otherwise: ",
    ),
    "labels": (lambda frame: frame.assign(y=0.0), "y"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_one_change_in_one_column_is_named(
    change: str,
    model: ModelSpec,
    quiet_reference: Reference,
    make_frame: Make,
    night_of: Callable[[Frame], Window],
) -> None:
    break_, told = CHANGES[change]
    found = health.check(
        quiet_reference, night_of(break_(make_frame(177, NIGHT))), model.monitoring
    )
    assert found
    assert told in "; ".join(map(str, found))


def test_two_columns_that_changed_places_are_both_named(
    model: ModelSpec, dataset: DatasetSpec, make_frame: Make
) -> None:
    def apart(seed: int, key: str) -> Frame:
        frame = make_frame(seed, key)
        return frame.assign(x2=frame["x1"] - 3 - frame["x2"].abs())

    days = pd.date_range("2013-01-01", periods=60).strftime("%Y-%m-%d")
    made = reference.build(
        model, dataset, pd.concat([apart(seed, key) for seed, key in enumerate(days)])
    )
    night = apart(200, NIGHT)
    night = night.assign(x1=night["x2"], x2=night["x1"])
    window = Window(NIGHT, {NIGHT: observe(made, night, dataset.keys)})
    found = health.check(made, window, model.monitoring)
    assert "the columns look exchanged: x1, x2" in list(map(str, found))


def test_many_columns_that_move_together_are_a_season(
    model: ModelSpec,
    quiet_reference: Reference,
    make_frame: Make,
    night_of: Callable[[Frame], Window],
) -> None:
    names = ["x0", "x1", "x2", "x3"]
    frame = make_frame(177, NIGHT)
    warm = frame.assign(**{name: frame[name] + 3 for name in names})
    assert health.check(quiet_reference, night_of(warm), model.monitoring) == ()
    # Control: one of them alone is none.
    alone = frame.assign(x1=frame["x1"] + 3)
    assert health.check(quiet_reference, night_of(alone), model.monitoring) != ()


def test_what_was_so_on_the_days_before_is_no_step(
    model: ModelSpec, dataset: DatasetSpec, quiet_reference: Reference, make_frame: Make
) -> None:
    days = pd.date_range("2013-04-01", periods=7).strftime("%Y-%m-%d")
    frames = {key: make_frame(300 + at, key) for at, key in enumerate(days)}
    warm = {key: frame.assign(x1=frame["x1"] + 3) for key, frame in frames.items()}
    window = {key: observe(quiet_reference, rows, dataset.keys) for key, rows in warm.items()}
    told = Window(days[-1], window)
    assert health.check(quiet_reference, told, model.monitoring) == ()


@pytest.mark.parametrize("share", [1.0, 0.99])
def test_an_earlier_days_rows_are_known_again(
    model: ModelSpec,
    quiet_reference: Reference,
    make_frame: Make,
    night_of: Callable[[Frame], Window],
    share: float,
) -> None:
    old = make_frame(20, NIGHT)  # the reference's 2013-01-21
    rows = pd.concat([old.head(round(500 * share)), make_frame(177, NIGHT).tail(5)]).head(500)
    rows = rows.assign(id=[f"new-{number}" for number in range(500)])
    found = health.check(quiet_reference, night_of(rows), model.monitoring)
    assert any("2013-01-21" in str(one) for one in found)


def test_a_day_cut_short_is_held_against_its_weekday(
    model: ModelSpec,
    quiet_reference: Reference,
    make_frame: Make,
    night_of: Callable[[Frame], Window],
) -> None:
    found = health.check(
        quiet_reference, night_of(make_frame(177, NIGHT).head(275)), model.monitoring
    )
    assert "only 275 rows, Saturdays of the reference have 500 to 500" in str(found[0])


@pytest.mark.parametrize("days", [1, 2])
def test_a_reference_of_few_days_tells_nothing_of_how_days_vary(
    model: ModelSpec, dataset: DatasetSpec, make_reference: Callable[..., Reference], make_frame: Make, days: int
) -> None:  # fmt: skip
    made = make_reference(days)
    night = make_frame(177, NIGHT).assign(x1=lambda frame: frame["x1"] * 60)
    window = Window(NIGHT, {NIGHT: observe(made, night, dataset.keys)})
    assert health.check(made, window, model.monitoring) == ()


def test_a_column_that_is_constant_in_the_reference_may_stay_so_and_its_change_is_seen(
    model: ModelSpec, dataset: DatasetSpec, make_frame: Make
) -> None:
    days = pd.date_range("2013-01-01", periods=60).strftime("%Y-%m-%d")
    frames = [make_frame(seed, key).assign(x1=5.0) for seed, key in enumerate(days)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = reference.build(model, dataset, pd.concat(frames))
        for value, sound in ((5.0, True), (7.0, False)):
            rows = make_frame(177, NIGHT).assign(x1=value)
            window = Window(NIGHT, {NIGHT: observe(made, rows, dataset.keys)})
            assert (health.check(made, window, model.monitoring) == ()) is sound


def test_a_reference_of_before_there_were_profiles_is_judged_as_it_was(
    model: ModelSpec,
    dataset: DatasetSpec,
    quiet_reference: Reference,
    make_frame: Make,
) -> None:
    old = quiet_reference.model_copy(update={"health": None})
    rows = make_frame(177, NIGHT)
    for frame, sound in ((rows, True), (rows.assign(x1=np.nan), False)):
        window = Window(NIGHT, {NIGHT: observe(old, frame, dataset.keys)})
        assert (health.check(old, window, model.monitoring) == ()) is sound


def test_the_reference_comes_back_from_its_file_with_its_profiles(
    quiet_reference: Reference,
) -> None:
    again = Reference.model_validate_json(quiet_reference.model_dump_json())
    assert again == quiet_reference


def test_a_renamed_column_and_one_that_is_no_more_leave_the_profiles_usable(
    model: ModelSpec, dataset: DatasetSpec, quiet_reference: Reference, make_frame: Make
) -> None:
    columns = dict(dataset.columns)
    columns["speed"] = columns.pop("x1").model_copy(update={"was": ("x1",)})
    del columns["x5"]
    now = dataset.model_copy(update={"columns": columns})
    made = reference.beside(quiet_reference, now)
    assert made.health is not None
    assert "speed" in made.health.layout.numbers
    rows = make_frame(177, NIGHT).rename(columns={"x1": "speed"}).drop(columns="x5")
    for factor, told in ((1, None), (60, "× 60")):
        night = rows.assign(speed=rows["speed"] * factor)
        window = Window(NIGHT, {NIGHT: observe(made, night, dataset.keys)})
        found = health.check(made, window, model.monitoring)
        assert [one.columns for one in found] == ([("speed",)] if told else [])
        assert told is None or told in str(found[0])


def test_clocks_change_on_some_days_only() -> None:
    assert clocks_changed("2013-03-10", 7)
    assert clocks_changed("2013-03-14", 7)
    assert not clocks_changed("2013-07-10", 7)
    assert not clocks_changed("2013-W10", 7)
