"""A model of several classes, one of labels, one of quantiles, one of two values and one of a vector go through every step of the loop: real lake, ledger, MLflow store, service and log."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from airloop.columns import ANSWERS, LABELS, PREDICTION
from airloop.contracts import ModelVersion, Outcome
from airloop.delivery.verification import verify
from airloop.partition import Cadence
from airloop.registry import loader
from airloop.steps import evaluate, score
from airloop.vocabulary import Triage
from tests.support.loop import intervals, orders, outcomes, pairs, places
from tests.support.loop.world import World

DAYS = [str(date(2013, 1, 1) + timedelta(days=day)) for day in range(14)]
COLUMNS = [f"{ANSWERS}{name}" for name in outcomes.CLASSES]


@pytest.fixture(scope="module")
def shop(shared_home: Path) -> World:
    world = World(shared_home, orders.dataset(Cadence.DAY), outcomes.spec())
    world.ingest(*DAYS[:-1])
    return world


def test_the_loop_closes(shop: World, tmp_path: Path) -> None:
    candidate, version = shop.deliver("first")
    assert set(candidate.metrics) >= {"log_loss", "accuracy", "roc_auc", "error_rate", "brier"}
    checks = {one.name: one for one in verify(version, shop.settings, tmp_path)}
    assert checks["parity"].outcome is Outcome.OK, checks["parity"].reason
    assert checks["load"].outcome is not Outcome.BAD, checks["load"].reason
    shop.ingest(DAYS[-1])
    scored = shop.step(score, f"score:lateness:{DAYS[-1]}", model="lateness", partition=DAYS[-1])
    frame = shop.lake.read(scored.table)
    assert PREDICTION not in frame
    assert np.allclose(frame[COLUMNS].sum(axis=1), 1)
    shop.answer(*DAYS[-9:])
    found = shop.night(DAYS[-1])
    assert found.triage is Triage.NOTHING, found.reason
    assert {one.column for one in found.features} >= {*COLUMNS}
    assert found.performance["labelled"] == found.performance["predicted"] > 0
    assert 0.3 < found.performance["log_loss"] < 0.9
    logged = shop.lake.read(shop.lake.snapshot("predictions__lateness", [DAYS[-1]]))
    model = loader.load(version.artifact, shop.settings)
    rows = shop.lake.read(shop.lake.snapshot("orders", [DAYS[-1]]))
    both = rows.merge(logged, on="day", suffixes=("", "_logged"))
    assert np.array_equal(both[COLUMNS].to_numpy(), model.predict(rows))


def test_other_classes_than_the_champions_are_named_at_the_gate(shop: World) -> None:
    if shop.ledger.current_deployment("lateness") is None:
        shop.deliver("first")
    fewer = outcomes.spec(outputs={"classes": ["on-time", "early", "late"]})
    shop.write("models", fewer)
    shop.catalog = type(shop.catalog)(shop.home / "config")
    try:
        made = shop.train("other classes")
        report = shop.step(evaluate, f"evaluate:lateness:{made.run_id}", candidate=made).report
    finally:
        shop.write("models", outcomes.spec())
        shop.catalog = type(shop.catalog)(shop.home / "config")
    said = next(one for one in report.checks if one.name == "champion")
    assert said.outcome is Outcome.BAD
    assert (
        "answers classes early, on-time, late, the candidate classes on-time, early, late"
        in said.reason
    )


def test_the_loop_closes_for_labels(home: Path, tmp_path: Path) -> None:
    world = World(home, orders.dataset(Cadence.DAY), outcomes.labelled())
    world.ingest(*DAYS)
    candidate, version = world.deliver("first")
    assert {"accuracy", "error_rate", "f1"} <= {*candidate.metrics}
    checks = {one.name: one for one in verify(version, world.settings, tmp_path / "work")}
    assert checks["parity"].outcome is Outcome.OK, checks["parity"].reason
    assert "differ from the offline ones by at most 0" in checks["parity"].reason
    scored = world.step(score, f"score:lateness:{DAYS[-1]}", model="lateness", partition=DAYS[-1])
    answers = world.lake.read(scored.table)[COLUMNS].to_numpy()
    assert set(np.unique(answers)) == {0.0, 1.0}
    assert (answers.sum(axis=1) == 1).all()
    world.answer(*DAYS[-9:])
    found = world.night(DAYS[-1])
    assert found.triage is Triage.NOTHING, found.reason
    assert {one.column for one in found.features} >= {*COLUMNS}
    assert found.performance["labelled"] > 0
    assert found.performance["f1"] > 0.3
    assert found.performance["error_rate"] == pytest.approx(
        found.baseline_performance["error_rate"], abs=0.15
    )


def test_the_loop_closes_for_quantiles(home: Path, tmp_path: Path) -> None:
    world = World(home, orders.dataset(Cadence.DAY), intervals.spec())
    world.ingest(*DAYS)
    candidate, version = world.deliver("first")
    assert 0 < candidate.metrics["pinball"] < 1.5
    checks = {one.name: one for one in verify(version, world.settings, tmp_path / "work")}
    assert checks["parity"].outcome is Outcome.OK, checks["parity"].reason
    scored = world.step(score, f"score:lateness:{DAYS[-1]}", model="lateness", partition=DAYS[-1])
    columns = [f"{ANSWERS}{name}" for name in ("q10", "q50", "q90")]
    answers = world.lake.read(scored.table)[columns].to_numpy()
    assert (np.diff(answers) >= 0).all()
    world.answer(*DAYS[-9:])
    found = world.night(DAYS[-1])
    assert found.triage is Triage.NOTHING, found.reason
    assert {one.column for one in found.features} >= {*columns}
    assert found.performance["labelled"] > 0
    assert 0 < found.performance["pinball"] < 1.5


def answered_alike(world: World, version: ModelVersion, columns: list[str], work: Path) -> None:
    """Over HTTP and in the table of scores a version answers as its artifact does, in these columns."""
    checks = {one.name: one for one in verify(version, world.settings, work)}
    assert checks["parity"].outcome is Outcome.OK, checks["parity"].reason
    scored = world.step(score, f"score:lateness:{DAYS[-1]}", model="lateness", partition=DAYS[-1])
    model = loader.load(version.artifact, world.settings)
    rows = world.lake.read(world.lake.snapshot("orders", [DAYS[-1]]))
    assert np.array_equal(world.lake.read(scored.table)[columns].to_numpy(), model.predict(rows))


def test_the_loop_closes_for_a_vector(home: Path, tmp_path: Path) -> None:
    world = World(home, orders.dataset(Cadence.DAY), places.spec())
    world.ingest(*DAYS)
    candidate, version = world.deliver("first")
    assert {"rmse", "cosine_distance"} <= {*candidate.metrics}
    columns = [f"{ANSWERS}{number}" for number in range(places.LENGTH)]
    answered_alike(world, version, columns, tmp_path / "work")
    world.answer(*DAYS[-9:])
    found = world.night(DAYS[-1])
    assert found.triage is Triage.NOTHING, found.reason
    assert {one.column for one in found.features} >= {*columns, f"{LABELS}0", f"{LABELS}2"}
    assert found.performance["labelled"] > 0
    assert found.performance["rmse"] == pytest.approx(found.baseline_performance["rmse"], rel=0.5)


def test_the_loop_closes_for_two_values(home: Path, tmp_path: Path) -> None:
    world = World(home, orders.dataset(Cadence.DAY), pairs.spec())
    world.ingest(*DAYS)
    candidate, version = world.deliver("first")
    assert {"relative_rmse", "relative_mae", "r2"} <= {*candidate.metrics}
    assert candidate.metrics["rmse_cost"] > 50 * candidate.metrics["rmse_late"] > 0
    columns = [f"{ANSWERS}{name}" for name in ("late", "cost")]
    answered_alike(world, version, columns, tmp_path / "work")
    world.answer(*DAYS[-9:])
    found = world.night(DAYS[-1])
    assert found.triage is Triage.NOTHING, found.reason
    assert {one.column for one in found.features} >= {*columns, f"{LABELS}late", f"{LABELS}cost"}
    assert found.performance["labelled"] > 0
    for name in ("relative_rmse", "rmse_late", "rmse_cost"):
        assert found.performance[name] == pytest.approx(found.baseline_performance[name], rel=0.5)
