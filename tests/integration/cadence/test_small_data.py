"""A row a day goes through the whole loop once the spec says that so few are meant; until then each no names its key."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from airloop.errors import DataError
from airloop.partition import Cadence
from airloop.steps import score
from airloop.vocabulary import Triage
from tests.support.loop import orders
from tests.support.loop.world import World

DAYS = [str(date(2013, 1, 1) + timedelta(days=day)) for day in range(48)]


@pytest.fixture(scope="module")
def shop(shared_home: Path) -> World:
    """The orders, one a day, of 47 days, and a model that says of how few it may be made."""
    dataset, model = orders.dataset(Cadence.DAY), orders.model(Cadence.DAY)
    dataset["source"]["function"] = "tests.support.loop.cadences:one_row"
    model["training"] |= {"window": "48d", "holdout": "20d", "min_rows": 20}
    model["gates"] |= {"min_holdout_rows": 15, "baseline_margin": 0.0, "confidence": 0.8}
    model["monitoring"] |= {"window": "10d", "min_rows": 8}
    world = World(shared_home, dataset, model)
    world.ingest(*DAYS[:-1])
    return world


def test_a_row_a_day_goes_through_the_loop(shop: World) -> None:
    candidate, version = shop.deliver("first")
    assert (candidate.dataset.rows, len(candidate.holdout)) == (47, 20)
    shop.ingest(DAYS[-1])
    scored = shop.step(score, f"score:lateness:{DAYS[-1]}", model="lateness", partition=DAYS[-1])
    assert (scored.rows, scored.model_version) == (1, version.version)
    shop.answer(*DAYS[-14:])
    found = shop.night(DAYS[-1])
    # Ten rows in ten bins would show no change of a column, however large; of answers and truth they say enough.
    assert found.triage is Triage.UNKNOWN, found.reason
    assert "10 values are so few" in found.reason
    assert found.performance["labelled"] == 10


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (20, "20 days are not enough to train on and to hold 20 out.* lower training.holdout"),
        (34, "training needs at least 20 labelled rows; got 14; in .*key training.min_rows"),
    ],
)
def test_a_training_of_too_little_names_the_key_that_says_so(
    shop: World, days: int, told: str
) -> None:
    with pytest.raises(DataError, match=told):
        shop.train(f"of {days}", until=DAYS[days - 1])
