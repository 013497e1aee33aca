"""What callers send is held against what is delivered: skew is told once, trains nothing, and is no fault of the model's."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from airloop.columns import MODEL_VERSION, PARTITION, PREDICTED_AT, PREDICTION
from airloop.contracts import Outcome
from airloop.data.schema import arrow_schema
from airloop.monitoring.asked import record
from airloop.steps import monitor
from airloop.vocabulary import Action, DriftKind, Topic, Triage
from tests.unit.steps.test_monitor import NIGHTS, QUIET, World, rows_of
from tests.unit.steps.test_monitor import world as world


def ask(
    world: World, day: str, frame: pd.DataFrame, *, skill: float = 1.0, version: int = 1
) -> None:
    """The log of a day on which these rows were asked about; answers are as good as those that were promised, times their skill."""
    schema = pa.schema(
        [
            field
            for field in arrow_schema(world.dataset)
            if field.name in {"id", *world.model.inputs}
        ]
    )
    rows = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
    delivered = rows_of(day)
    score = skill * (delivered["temp"] - delivered["temp"].mean()) / 5
    score = score.iloc[frame.index % len(delivered)].to_numpy()
    own = {
        PARTITION: pa.array([day] * len(frame), pa.string()),
        PREDICTION: pa.array(1 / (1 + np.exp(-score)), pa.float64()),
        PREDICTED_AT: pa.array(
            [datetime(2013, 1, 1, tzinfo=UTC)] * len(frame), pa.timestamp("us", "UTC")
        ),
        MODEL_VERSION: pa.array([version] * len(frame), pa.int64()),
    }
    for name, values in own.items():
        rows = rows.append_column(name, values)
    world.lake.append_once(
        "predictions__guess", rows, partition_by=PARTITION, app_id=f"p:{day}:{version}", sequence=1
    )


def otherwise(frame: pd.DataFrame) -> pd.DataFrame:
    """As callers send it who know °C, and no wind."""
    return frame.assign(temp=(frame["temp"] - 32) / 1.8, wind=np.nan)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The reasons that were announced."""
    said: list[str] = []
    monkeypatch.setattr(
        monitor.sending,
        "send",
        lambda settings, ledger, report, decision: said.append(report.reason),
    )
    return said


def test_callers_who_ask_otherwise_are_told_once_and_train_nothing(
    world: World, told: list[str]
) -> None:
    days = [*QUIET, "2013-02-13"]
    world.nights(days)
    for day in days[1:]:
        ask(world, day, otherwise(rows_of(day)))

    results = [world.monitor(day) for day in days[1:]]

    for result in results:
        report = result.report
        assert report.triage is Triage.SKEW
        assert [one.column for one in report.skews] == ["temp", "wind"]
        assert (
            "temp: another unit, °F → °C (× 0.5556, -17.78), in 100% of 400 rows" in report.reason
        )
        assert "wind: missing, in 100% of 400 rows" in report.reason
        assert (result.decision.action, result.trigger) == (Action.ALERT, None)
        # What was delivered has not moved; what was asked has.
        assert all(one.outcome is not Outcome.BAD for one in report.features)
        assert {one.column for one in report.asked if one.outcome is Outcome.BAD} >= {"temp"}
    assert len(told) == 1
    assert world.ledger.open_triggers("guess") == []
    assert len(world.ledger.decisions("guess", Topic.SKEW)) == len(results)


def test_another_skew_is_told_again(world: World, told: list[str]) -> None:
    world.nights(QUIET)
    ask(world, QUIET[1], otherwise(rows_of(QUIET[1])))
    ask(world, QUIET[2], rows_of(QUIET[2]).assign(carrier="AA"))
    for day in QUIET[1:]:
        world.monitor(day)
    assert len(told) == 2
    assert "carrier: 'AA' in place of others" in told[1]


def test_callers_who_ask_what_is_delivered_are_quiet(world: World, told: list[str]) -> None:
    world.nights(QUIET)
    for day in QUIET:
        # Some ask about the same rows again and again.
        frame = rows_of(day)
        ask(world, day, pd.concat([frame, *[frame.head(5)] * 100]))
    report = world.monitor(QUIET[-1]).report
    assert (report.triage, report.skews, told) == (Triage.NOTHING, (), [])
    assert report.asked_rows == 3 * 400
    assert {one.outcome for one in report.asked} == {Outcome.OK}


def test_a_loss_that_lies_in_skewed_rows_is_not_the_models(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = NIGHTS[:8]
    world.nights(days)
    for number, day in enumerate(days):
        skewed = 1 <= number <= 6
        frame = rows_of(day)
        ask(world, day, otherwise(frame) if skewed else frame, skill=-1.0 if skewed else 1.0)
        found = world.monitor(day).report
        assert (found.triage is Triage.SKEW) is skewed
    last = world.monitor(days[-1]).report
    assert DriftKind.CONCEPT not in last.kinds
    assert "2400 answers to rows that were sent otherwise than delivered say nothing" in last.reason
    # The control: with nothing remembered the same night is a fault of the model's.
    monkeypatch.setattr(record, "_told", lambda ledger, model: [])
    blind = world.monitor(days[-1]).report
    assert DriftKind.CONCEPT in blind.kinds


def test_callers_who_ask_about_others_are_drift_of_what_is_served(world: World) -> None:
    world.nights(QUIET)
    for day in QUIET:
        others = rows_of(day, warmer=40.0).assign(id=lambda rows: "other-" + rows["id"])
        ask(world, day, others)
    report = world.monitor(QUIET[-1]).report
    assert (report.triage, report.kinds, report.skews) == (Triage.DRIFT, (DriftKind.SERVED,), ())
    assert "callers ask about other rows than the reference's" in report.reason


def test_where_what_is_delivered_moves_too_it_is_drift_and_the_skew_stands_beside_it(
    world: World, told: list[str]
) -> None:
    world.nights(QUIET, warmer=40.0)
    frame = rows_of(QUIET[-1], warmer=40.0)
    ask(world, QUIET[-1], frame.assign(wind=frame["wind"] * 3.6))
    result = world.monitor(QUIET[-1])
    assert result.report.kinds == (DriftKind.COVARIATE,)
    assert result.decision.action is Action.RETRAIN
    assert "besides, callers send other values than are delivered: wind: another unit, × 3.6" in (
        result.report.reason
    )
    assert len(told) == 1


def test_a_version_that_was_never_sent_an_input_has_none(world: World) -> None:
    world.nights(QUIET)
    frame = rows_of(QUIET[-1])
    ask(world, QUIET[-1], frame.assign(wind=np.nan), version=2)
    ask(world, QUIET[-1], frame)
    assert world.monitor(QUIET[-1]).report.skews == ()


def test_nothing_is_remembered_of_nights_without_skew(world: World) -> None:
    assert record.remembered(world.ledger, world.lake, world.model, world.dataset, QUIET) == {}
