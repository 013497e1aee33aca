"""Broken data is an incident: never "no drift", never a reason to train (RELIABILITY M3)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from airloop.contracts import Check, DriftReport, Outcome
from airloop.ledger import Ledger
from airloop.monitoring import decision as recorder
from airloop.monitoring import drift, health
from airloop.monitoring.day import observe
from airloop.monitoring.reference import Reference
from airloop.monitoring.triage import Verdict, triage
from airloop.monitoring.window import Window
from airloop.specs import DatasetSpec, ModelSpec
from airloop.vocabulary import Action, Triage

Frame = pd.DataFrame
NOT_MEASURED = Check(name="performance", outcome=Outcome.UNKNOWN, reason="could not tell")


def half_missing(frame: Frame) -> Frame:
    gone = np.random.default_rng(0).random(len(frame)) < 0.5
    return frame.assign(x1=frame["x1"].mask(gone))


def new_category(frame: Frame) -> Frame:
    new = np.random.default_rng(0).random(len(frame)) < 0.2
    return frame.assign(carrier=frame["carrier"].mask(new, "ZZ"))


FAULTS: dict[str, Callable[[Frame], Frame]] = {
    "missing column": lambda frame: frame.drop(columns="x1"),
    "half missing": half_missing,
    "all missing": lambda frame: frame.assign(x1=np.nan),
    "all missing, of type object": lambda frame: frame.assign(x1=None),
    "one infinite value": lambda frame: frame.assign(x1=frame["x1"].mask(frame.index == 7, np.inf)),
    "empty": lambda frame: frame.head(0),
    "new category": new_category,
    "a number became text": lambda frame: frame.assign(x1=frame["x1"].astype(str)),
    "a category became a number": lambda frame: frame.assign(carrier=1),
    "a number became a date": lambda frame: frame.assign(x1=pd.Timestamp("2013-03-02")),
    "constant number": lambda frame: frame.assign(x1=0.0),
    "constant category": lambda frame: frame.assign(carrier="AA"),
    "loaded twice": lambda frame: pd.concat([frame, frame]),
    "a third of the rows": lambda frame: frame.head(len(frame) // 3),
}


def verdict_of(reference: Reference, window: Window, model: ModelSpec) -> Verdict:
    findings = health.check(reference, window, model.monitoring)
    features = drift.judge(reference, window.columns, len(window.days), model.monitoring)
    return triage(findings, features, NOT_MEASURED)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_night_is_a_data_incident_and_trains_nothing(
    fault: str,
    model: ModelSpec,
    quiet_reference: Reference,
    make_frame: Callable[..., Frame],
    night_of: Callable[[Frame], Window],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    night = night_of(FAULTS[fault](make_frame(77, "2013-03-02")))

    verdict = verdict_of(quiet_reference, night, model)

    assert verdict.triage is Triage.INCIDENT
    assert verdict.kinds == ()
    report = DriftReport(
        model="guess",
        partition="2013-03-02",
        reference_rows=1,
        current_rows=1,
        features=(),
        triage=verdict.triage,
        reason=verdict.reason,
    )
    ledger = Ledger(f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.db'}")
    decision, trigger = recorder.answer(
        ledger, model.retraining, report, now=datetime(2013, 3, 3, tzinfo=UTC)
    )
    assert (decision.action, trigger) == (Action.ALERT, None)


def test_control_without_the_health_check_broken_nights_pass_or_train(
    model: ModelSpec,
    quiet_reference: Reference,
    make_frame: Callable[..., Frame],
    night_of: Callable[[Frame], Window],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "check", lambda *_: ())
    seen = {
        fault: verdict_of(quiet_reference, night_of(break_(make_frame(77, "2013-03-02"))), model)
        for fault, break_ in FAULTS.items()
    }
    assert seen["missing column"].triage is Triage.NOTHING
    # The share that is missing is a column of its own: a fault taken for the world.
    assert seen["half missing"].triage is Triage.DRIFT
    assert seen["new category"].triage is Triage.DRIFT
    assert seen["constant number"].triage is Triage.DRIFT
    assert not any(verdict.triage is Triage.INCIDENT for verdict in seen.values())


def test_a_sound_night_has_no_findings(
    model: ModelSpec,
    quiet_reference: Reference,
    make_frame: Callable[..., Frame],
    night_of: Callable[[Frame], Window],
) -> None:
    for seed in range(100, 150):
        night = night_of(make_frame(seed, "2013-03-02"))
        assert health.check(quiet_reference, night, model.monitoring) == ()


def test_the_reason_names_the_columns_once_for_one_fault(
    model: ModelSpec,
    quiet_reference: Reference,
    make_frame: Callable[..., Frame],
    night_of: Callable[[Frame], Window],
) -> None:
    night = night_of(make_frame(1, "2013-03-02").assign(x1=np.nan, x2=np.nan))
    found = health.check(quiet_reference, night, model.monitoring)
    assert list(map(str, found)) == ["all values missing: x1, x2"]


def test_a_missing_partition_is_an_incident(model: ModelSpec, quiet_reference: Reference) -> None:
    window = Window("2013-03-02", {})
    verdict = verdict_of(quiet_reference, window, model)
    assert verdict.triage is Triage.INCIDENT
    assert verdict.reason == "the partition 2013-03-02 is missing"


def test_yesterdays_rows_under_todays_date_are_an_incident(
    model: ModelSpec,
    dataset: DatasetSpec,
    quiet_reference: Reference,
    make_frame: Callable[..., Frame],
) -> None:
    frame = make_frame(105, "2013-03-01")
    again = frame.assign(day=pd.Timestamp("2013-03-02"), id=frame["id"] + "b").sample(frac=1)
    days = {
        key: observe(quiet_reference, rows, dataset.keys)
        for key, rows in (("2013-03-01", frame), ("2013-03-02", again))
    }
    found = health.check(quiet_reference, Window("2013-03-02", days), model.monitoring)
    assert list(map(str, found)) == ["the same rows as on 2013-03-01"]


def test_a_column_that_is_often_missing_may_be_missing(
    model: ModelSpec,
    dataset: DatasetSpec,
    make_frame: Callable[..., Frame],
) -> None:
    from airloop.monitoring import reference as profiles

    days = pd.date_range("2013-01-01", periods=30).strftime("%Y-%m-%d")
    frames = [make_frame(seed, key) for seed, key in enumerate(days)]
    gusty = [
        frame.assign(x1=frame["x1"].where(frame["x0"] > frame["x0"].quantile(seed % 10 / 10)))
        for seed, frame in enumerate(frames)
    ]
    reference = profiles.build(model, dataset, pd.concat(gusty))
    calm = make_frame(99, "2013-03-02")
    calm["x1"] = calm["x1"].where(calm["x0"] > calm["x0"].quantile(0.9))
    window = Window("2013-03-02", {"2013-03-02": observe(reference, calm, dataset.keys)})
    assert health.check(reference, window, model.monitoring) == ()
