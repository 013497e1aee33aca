"""A mean that lies a little off, night after night, adds up; quiet nights and days that resemble each other do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from airloop.contracts import ArtifactRef, Deployment
from airloop.ledger import Ledger
from airloop.monitoring import nights, sequence
from airloop.monitoring.costs import DayCosts
from airloop.monitoring.reference import Reference
from airloop.monitoring.sequence import Sum, standardised, sums
from airloop.monitoring.sketch import Counts
from airloop.vocabulary import Action, Topic
from tests.unit.monitoring.worlds import ten_columns


def heard(reference: Reference, of: Sequence[Mapping[str, Counts]]) -> list[tuple[int, Sum]]:
    """Night by night what is heard for the first time."""
    told, seen = [], []
    for night, one in enumerate(of, 1):
        seen.append(standardised(reference, one))
        told += [(night, each) for each in sums(reference, seen, 0.01) if each.new]
    return told


def quiet(random: np.random.Generator, like: float) -> set[int]:
    """The nights of one quiet world on which something is heard."""
    reference, nights_of = ten_columns(random, 0.3, like=like)
    return {night for night, _ in heard(reference, nights_of(0.0))}


@pytest.mark.parametrize(("spread", "within", "least"), [(0.0, 7, 38), (0.2, 7, 36), (0.5, 30, 30)])
def test_half_a_standard_deviation_that_stays_is_heard(
    spread: float, within: int, least: int
) -> None:
    random = np.random.default_rng(21)
    found = 0
    for _ in range(40):
        reference, nights_of = ten_columns(random, spread)
        found += any(one.column == "c3" for _, one in heard(reference, nights_of(0.5)[:within]))
    assert found >= least  # of 40


@pytest.mark.parametrize("like", [0.0, 0.8])
def test_quiet_nights_are_quiet_in_weather_that_stays_too(like: float) -> None:
    random = np.random.default_rng(22)
    assert sum(len(quiet(random, like)) for _ in range(20)) <= 24  # of 1,200


def test_control_days_taken_for_strangers_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequence, "likeness", lambda _series: 0.0)
    random = np.random.default_rng(22)
    assert sum(len(quiet(random, 0.8)) for _ in range(10)) >= 20


def test_what_lasts_is_heard_once_and_told_with_its_size() -> None:
    reference, nights_of = ten_columns(np.random.default_rng(23), 0.2)
    told = heard(reference, nights_of(0.5)[:20])
    [(night, one)] = [each for each in told if each[1].column == "c3"]
    assert night <= 7
    assert "standard deviations of days off" in str(one)
    assert one.distance > 1


def test_a_reference_of_few_days_and_a_constant_column_tell_nothing() -> None:
    reference, nights_of = ten_columns(np.random.default_rng(24), 0.2, days=19)
    assert standardised(reference, nights_of(0.0)[0]) == {}
    reference, nights_of = ten_columns(np.random.default_rng(24), 0.2)
    still = reference.columns[0].model_copy(update={"day_totals": (5_000.0,) * 60})
    reference = reference.model_copy(update={"columns": (still, *reference.columns[1:])})
    assert "c0" not in standardised(reference, nights_of(0.0)[0])


def test_one_outlier_is_no_shift() -> None:
    reference, nights_of = ten_columns(np.random.default_rng(25), 0.2)
    told = [*nights_of(0.0)[:5], nights_of(100.0)[5], *nights_of(0.0)[6:12]]
    assert [one for _, one in heard(reference, told) if one.column == "c3"] == []


def test_nights_are_put_down_once_and_told_in_order_under_their_own_champion(
    tmp_path: Path,
) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    first, second = (deployed(version) for version in (1, 2))
    for night, value in (("2013-03-02", 0.2), ("2013-03-01", 0.1), ("2013-03-02", 9.0)):
        nights.record(ledger, first, night, {"partition": value})
    nights.record(ledger, second, "2013-03-01", {"partition": 5.0})
    nights.record(ledger, first, "2013-03-03", {})
    assert nights.before(ledger, first, "2013-03-09") == [{"partition": 0.1}, {"partition": 0.2}]
    assert nights.before(ledger, first, "2013-03-02") == [{"partition": 0.1}]
    assert nights.before(ledger, second, "2013-03-09") == [{"partition": 5.0}]


def test_costs_are_put_down_with_a_days_metric_and_the_last_measured_counts(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    first = deployed(1)
    for version, day, rows, cost in ((1, 1, 30, 0.1), (1, 1, 40, 0.2), (1, 3, 40, 0.3), (2, 1, 50, 0.9)):  # fmt: skip
        ledger.record_decision(
            entity="guess",
            topic=Topic.PERFORMANCE,
            action=Action.MEASURED,
            reason="r",
            figures={"partition": f"2013-03-0{day}", "version": version, "rows": rows}
            | nights.cost_figures({"log loss": cost}),
        )
    found = nights.costs_before(ledger, first, "2013-03-02")
    assert found == {"2013-03-01": DayCosts(40, {"log loss": 0.2})}


def deployed(version: int) -> Deployment:
    return Deployment(
        model="guess",
        sequence=version,
        version=version,
        previous=None,
        artifact=ArtifactRef(uri="runs:/1/model", digest="sha256:" + "0" * 64),
        kind="promote",
        reason="r",
        at="2013-03-01T00:00:00Z",
    )
