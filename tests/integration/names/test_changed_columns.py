"""A dataset whose columns are renamed, widened, dropped and added while its model serves: nothing stops, nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from airloop.contracts import Outcome
from airloop.data.validation.quarantine import quarantined_rows
from airloop.errors import DataError
from airloop.serving.log.compaction import compact
from airloop.steps import monitor, score
from airloop.vocabulary import Triage
from tests.support.loop import free_names as made
from tests.support.loop.home import Home, predict, requested

DAYS = [str(day.date()) for day in pd.date_range("2013-03-01", periods=10)]
BEFORE, AFTER = DAYS[:7], DAYS[7:]
KEY, WIDTH = "order id", "width (m)"


def changed_rows(day: str) -> pd.DataFrame:
    """A day as the source delivers it from the change on."""
    rows = made.rows(day).rename(columns={made.KEY: KEY, "a b": WIDTH}).drop(columns="1st")
    return rows.assign(new=1.5, **{"x'y": rows["x'y"] * 0.99})


def spoilt(rows: pd.DataFrame) -> pd.DataFrame:
    """One row that goes to quarantine."""
    return rows.assign(**{"a.b": ["nowhere", *rows["a.b"].tolist()[1:]]})


def change(home: Home) -> None:
    """Write the specs as they are from the change on."""
    spec = json.loads((home.home / "config/datasets/things.yaml").read_text())
    columns = spec["columns"]
    columns[KEY] = {**columns.pop(made.KEY), "was": made.KEY}
    columns[WIDTH] = {**columns.pop("a b"), "was": "a b"}
    columns["x'y"]["type"], columns["new"] = "float", {"type": "float"}
    del columns["1st"]
    home.write("datasets", {**spec, "keys": [KEY]})
    model = json.loads((home.home / "config/models/guess.yaml").read_text())
    names = {"a b": WIDTH, "1st": "new"}
    home.write("models", {**model, "inputs": [names.get(one, one) for one in model["inputs"]]})


def asked(home: Home, *days: str) -> int:
    """Ask the version that serves for the rows of some days, as its own schema wants them."""

    async def talk(http: Any) -> int:
        answers = [await predict(http, "guess", requested(day)) for day in days]
        return sum(map(len, answers))

    count: int = home.served(talk)
    assert compact(home.settings, "guess", catalog=home.catalog).rows == count
    return count


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("changed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRLOOP_HOME", str(folder))
        patch.chdir(folder)
        yield Home(folder, made.model("guess", params={"max_iter": 200}))


def test_the_loop_goes_on_across_a_change_of_columns(home: Home) -> None:
    for day in BEFORE:
        home.deliver(day, spoilt(made.rows(day)))
    home.ingest(*BEFORE)
    first, judged = home.candidate("guess", "a")
    assert judged.outcome is Outcome.OK, judged.reason
    then = home.lake.read(first.dataset)
    home.deploy(first, judged)
    assert asked(home, *BEFORE[-2:]) == 2 * made.ROWS

    change(home)
    for day in AFTER:
        home.deliver(day, spoilt(changed_rows(day)))
    home.ingest(*AFTER)

    # A window over the change has the new names; what was pinned before reads as it did.
    now = home.lake.read(home.lake.snapshot("things", DAYS))
    assert set(now.columns) == {*changed_rows(AFTER[0]).columns}
    assert now[[KEY, WIDTH, "x'y"]].notna().all(axis=None)
    assert now["new"].notna().sum() == len(AFTER) * (made.ROWS - 1)
    pd.testing.assert_frame_equal(home.lake.read(first.dataset), then)
    # So have the rows in quarantine.
    aside = quarantined_rows(home.lake, home.lake.snapshot("things", DAYS))
    assert len(aside) == len(DAYS)
    assert aside[KEY].notna().all()

    # The version that serves was trained before: it is asked, scores and is watched as ever.
    assert asked(home, *AFTER[:2]) == 2 * made.ROWS
    scored = home.step(score, "score:guess:a", model="guess", partition=DAYS[-1]).table
    assert set(home.lake.read(scored)[KEY]) == set(made.rows(DAYS[-1])[made.KEY][1:])
    found = home.step(monitor, "monitor:guess:a", model="guess", partition=DAYS[-1]).report
    assert found.triage is not Triage.INCIDENT, found.reason
    assert found.performance["labelled"] == 4 * (made.ROWS - 1)
    assert {one.column for one in found.features} >= {WIDTH, "x'y"}

    # Its successor learns from both sides of the change, and is compared with it.
    second, judged = home.candidate("guess", "b")
    assert set(second.dataset.partitions) & set(BEFORE)
    assert Outcome.UNKNOWN not in {one.outcome for one in judged.checks}, judged.reason
    assert judged.champion_version == 1


def test_a_type_that_became_narrower_is_refused_and_changes_nothing(home: Home) -> None:
    before = home.lake.snapshot("things", DAYS)
    path = home.home / "config/datasets/things.yaml"
    kept = path.read_text()
    spec = json.loads(kept)
    spec["columns"][WIDTH]["type"] = "integer"
    home.write("datasets", spec)
    home.deliver(DAYS[-1], changed_rows(DAYS[-1]).assign(**{WIDTH: 1}))
    with pytest.raises(DataError, match="is double in the lake, which cannot become int64"):
        home.ingest(DAYS[-1])
    assert home.lake.snapshot("things", DAYS) == before
    path.write_text(kept)
