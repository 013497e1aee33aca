"""Old partitions asked for again: corrected, come late, gone, refused; the metric of their days; trainings as of before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
import yaml

from airloop.contracts import Decision
from airloop.errors import DataError, RequestError, SpecError
from airloop.ledger import open_ledger
from airloop.partition import Cadence
from airloop.registry import artifacts, tracking
from airloop.registry.artifacts import fetch
from airloop.registry.frozen import FrozenSpec
from airloop.specs.catalog import Catalog
from airloop.steps import recheck
from airloop.steps.recheck import Result
from airloop.vocabulary import Action, Topic
from tests.support.loop import cadences, orders
from tests.support.loop.world import World

DAYS = [str(date(2013, 3, 1) + timedelta(days=day)) for day in range(14)]


class Shop(World):
    """Orders that lie in files, a day each, where they can be corrected."""

    def __init__(self, home: Path, rows: int = 20) -> None:
        self.upstream = home / "upstream"
        self.upstream.mkdir()
        dataset, model = orders.dataset(Cadence.DAY), orders.model(Cadence.DAY)
        path = f"{self.upstream}/{{partition}}.csv"
        dataset |= {"source": {"kind": "file", "path": path, "format": "csv"}, "recheck": "14d"}
        super().__init__(home, dataset, model)
        for day in DAYS:
            self.deliver_file(day, next(cadences.rows(day)).head(rows))

    def deliver_file(self, day: str, frame: pd.DataFrame) -> None:
        frame.to_csv(self.upstream / f"{day}.csv", index=False)

    def correct(self, day: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
        path = self.upstream / f"{day}.csv"
        self.deliver_file(day, change(pd.read_csv(path, float_precision="round_trip")))

    def look(self, since: datetime | None = None, *days: str) -> Result:
        """What a run of the schedule does, whose tick was just now."""
        since = since or datetime.now(UTC) - timedelta(milliseconds=1)
        run = f"run {datetime.now(UTC).timestamp()}"
        asked = days or DAYS[:-1]
        result: Result = self.step(
            recheck, f"recheck:orders:{run}", dataset="orders", partitions=asked, since=since
        )
        return result

    def version(self) -> int:
        return self.lake.snapshot("orders", DAYS[:1]).version

    def told(self, topic: Topic = Topic.CORRECTION) -> list[Decision]:
        return self.ledger.decisions("orders", topic)


@pytest.fixture
def shop(home: Path) -> Shop:
    made = Shop(home)
    made.ingest(*DAYS[:4])
    return made


def test_what_is_unchanged_makes_no_version_and_no_decision(shop: Shop) -> None:
    shop.correct(DAYS[1], lambda rows: rows.sample(frac=1, random_state=1))
    key = f"ingest:orders:{DAYS[1]}"
    before, attempts = shop.version(), shop.ledger.newest_attempt(key)
    for _ in range(2):
        assert shop.look(None, *DAYS[:4]) == Result(changed=(), trouble=(), looked_at=4)
    assert shop.version() == before
    assert shop.ledger.newest_attempt(key) == attempts
    assert shop.told() == []


def test_a_corrected_day_is_a_new_version_with_what_changed_on_record(shop: Shop) -> None:
    def correction(rows: pd.DataFrame) -> pd.DataFrame:
        rows.loc[:2, "distance"] += 1
        rows.loc[2:4, "minutes_late"] = None
        return pd.concat(
            [rows.iloc[:-1], rows.tail(1).assign(day=["new1"]), rows.tail(1).assign(day=["new2"])]
        )

    old = shop.lake.snapshot("orders", [DAYS[1]])
    shop.correct(DAYS[1], correction)
    tick = datetime.now(UTC)
    assert shop.look(tick, *DAYS[:4]).changed == (DAYS[1],)
    assert shop.look(tick, *DAYS[:4]).changed == (DAYS[1],)  # the same run, tried again
    assert shop.look(None, *DAYS[:4]).changed == ()
    [told] = shop.told()
    assert told.action is Action.CORRECTED
    assert told.reason == (
        f"{DAYS[1]}: 2 rows added, 1 rows removed, 5 rows changed (distance 3, minutes_late 3)"
    )
    figures = {"added": 2, "removed": 1, "changed": 5, "changed.distance": 3, "rows": 21}
    assert figures.items() <= told.figures.items()
    assert len(shop.lake.read(old)) == 20


def test_a_correction_that_died_before_its_decision_is_put_down_by_the_next(shop: Shop) -> None:
    shop.correct(DAYS[0], lambda rows: rows.head(5))
    tick = datetime.now(UTC)
    shop.look(tick, *DAYS[:4])
    kept = shop.told()
    # As if killed between the lake's commit and the ledger's row.
    (shop.home / "ledger.db").unlink()
    shop.ledger = open_ledger(shop.settings)
    assert shop.look(tick, *DAYS[:4]).changed == (DAYS[0],)
    assert [one.id for one in shop.told()] == [one.id for one in kept]


def test_a_day_that_came_late_is_ingested_and_one_that_did_not_is_waited_for(shop: Shop) -> None:
    (shop.upstream / f"{DAYS[5]}.csv").unlink()
    found = shop.look(None, *DAYS[:6])
    assert (found.changed, found.trouble) == ((DAYS[4],), ())
    assert shop.lake.partitions("orders") == tuple(DAYS[:5])


def test_a_day_that_is_gone_is_told_once_and_the_others_go_on(shop: Shop) -> None:
    (shop.upstream / f"{DAYS[0]}.csv").unlink()
    shop.correct(DAYS[1], lambda rows: rows.head(0))
    shop.correct(DAYS[2], lambda rows: rows.head(7))
    before = shop.lake.snapshot("orders", DAYS[:2]).digest
    found = shop.look(None, *DAYS[:4])
    assert found.changed == (DAYS[2],)
    assert [text[:10] for text in found.trouble] == DAYS[:2]
    assert all(
        "is gone at its source, and stays as it is in the lake" in one for one in found.trouble
    )
    assert shop.look(None, *DAYS[:4]).trouble == ()
    assert shop.lake.snapshot("orders", DAYS[:2]).digest == before
    assert [one.action for one in shop.told()].count(Action.GONE) == 2


def test_a_correction_that_is_refused_leaves_the_day_as_it_is(shop: Shop) -> None:
    shop.correct(DAYS[0], lambda rows: rows.assign(distance="far"))
    before = shop.version()
    [told] = shop.look(None, *DAYS[:4]).trouble
    assert "distance is wrongly typed" in told
    assert shop.look(None, *DAYS[:4]).trouble == ()
    assert shop.version() == before
    assert len(shop.told(Topic.VALIDATION)) == 1


def test_the_metric_of_a_corrected_day_follows_and_a_training_as_of_before_does_not(
    home: Path,
) -> None:
    shop = Shop(home, rows=cadences.ROWS)
    shop.correct(
        DAYS[0], lambda rows: rows.assign(minutes_late=rows["minutes_late"].where(rows.index < 9))
    )
    shop.ingest(*DAYS[:13])
    shop.deliver("first")
    shop.answer(*DAYS[:13])
    shop.night(DAYS[12])
    moment = datetime.now(UTC)
    then = shop.lake.snapshot("orders", DAYS[1:13])
    # Labels that come later as a column, and worse ones than were thought, both older than the window of a week.
    shop.deliver_file(DAYS[0], next(cadences.rows(DAYS[0])))
    shop.correct(DAYS[1], lambda rows: rows.assign(minutes_late=-rows["minutes_late"]))
    assert shop.look(None, *DAYS[:13]).changed == tuple(DAYS[:2])
    for _ in range(2):
        shop.night(DAYS[12])
    told = shop.ledger.decisions("lateness", Topic.PERFORMANCE)
    again = {one.figures["partition"]: one for one in told if "corrected since" in one.reason}
    assert sorted(again) == DAYS[:2]
    assert len([one for one in told if one.figures["partition"] in DAYS[:2]]) == 2
    assert again[DAYS[0]].figures["rows"] == cadences.ROWS
    assert again[DAYS[1]].figures["roc_auc"] < 0.5

    old = shop.train("then", as_of=moment, until=DAYS[12])
    new = shop.train("now", until=DAYS[12])
    assert old.dataset == then.model_copy(update={"as_of": moment})
    assert new.dataset.digest != old.dataset.digest
    tags = tracking.client(shop.settings).get_run(old.run_id).data.tags
    assert tags["airloop.as_of"] == moment.isoformat()
    kept = fetch(old.artifact, shop.settings) / artifacts.SPEC
    assert FrozenSpec.read(kept.read_bytes()).as_of == moment


@pytest.mark.parametrize(
    ("seconds", "kind", "told"),
    [(-3600, DataError, "did not exist yet"), (3600, RequestError, "lies in the future")],
)
def test_a_training_as_of_a_moment_without_a_lake_is_refused(
    shop: Shop, seconds: int, kind: type[Exception], told: str
) -> None:
    with pytest.raises(kind, match=told):
        shop.train("then", as_of=datetime.now(UTC) + timedelta(seconds=seconds))


@pytest.mark.parametrize("cadence", ["hour", "week", "month", "snapshot"])
def test_a_cadence_that_was_changed_is_refused_and_nothing_happens(
    shop: Shop, cadence: str
) -> None:
    path = shop.home / "config" / "datasets" / "orders.yaml"
    spec = yaml.safe_load(path.read_text())
    spec |= {"cadence": cadence, "recheck": None}
    timed = cadence != "snapshot"
    spec["columns"]["ordered_at"]["type"] = "timestamp"
    spec["partition_column"] = "ordered_at" if timed else None
    path.write_text(yaml.safe_dump(spec))
    shop.catalog = Catalog(shop.home / "config")
    before = shop.version()
    key = str(shop.catalog.dataset("orders").partition_at(datetime(2013, 3, 5, 7, 7, tzinfo=UTC)))
    for act in (lambda: shop.ingest(key), lambda: shop.look(None, key), lambda: shop.train("now")):
        with pytest.raises(SpecError, match=r"the cadence was changed: .* key cadence"):
            act()
    assert shop.version() == before
