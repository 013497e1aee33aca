"""A live month by real DAGs, and the replay of the same month: the same answers, night by night.

``make month`` goes through thirty nights of a shop whose world turns over on the way; here it is a week of them. Each
night has the runs that Airflow's timetables would make, and a run of the training where the night asked for one.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airloop.contracts import Decision, Deployment
from airloop.data.lake.lake import Lake
from airloop.ledger import Ledger, open_ledger
from airloop.partition import Cadence, Partition
from airloop.registry import loader, models
from airloop.registry.artifacts import SPEC, fetch
from airloop.registry.frozen import FrozenSpec
from airloop.replay import past as pasts
from airloop.replay.fits import Fits
from airloop.replay.judges import Judges
from airloop.replay.nights import Nights
from airloop.replay.play import Player, Run
from airloop.replay.policies import Kind, Policy
from airloop.serving.log.predictionlog import PredictionLog, log_folder
from airloop.serving.log.records import Answered, encode
from airloop.settings import load_settings
from airloop.specs import load_catalog
from airloop.storage.files import Files
from airloop.vocabulary import Action, Topic, Triage
from tests.support.loop import orders
from tests.support.loop.project import serve
from tests.support.timetables import Schedule, run_as, shop_home, states

LoadDags = Callable[..., dict[str, Any]]
NIGHTS = int(os.environ.get("AIRLOOP_NIGHTS", "7"))
#: Days that are there before the first night: the window of the first training.
BEFORE, HOLDOUT, ROWS = 14, 4, 240
FIRST = Partition.parse("2013-04-01", Cadence.DAY, "Europe/Berlin")
#: The night on which distance stops to matter, and rain begins to.
TURN = min(NIGHTS // 2, 10)
#: The night whose distances came in metres, which are not mended.
BROKEN = TURN - 1


def day(number: int) -> str:
    """Counted from the first night."""
    return str(FIRST.before(-number))


def rows(number: int) -> pd.DataFrame:
    """A day's orders, drawn anew from its number."""
    random = np.random.default_rng(zlib.crc32(f"month {number}".encode()))
    distance, rain = random.exponential(5, ROWS), random.exponential(5, ROWS)
    cause = distance if number < TURN else rain
    return pd.DataFrame(
        {
            "day": [f"c{one}" for one in range(ROWS)],
            "distance": distance * (1000 if number == BROKEN else 1),
            "rain": rain,
            "minutes_late": cause - 5 + random.normal(0, 3, ROWS),
            "ordered_at": day(number),
        }
    )


@pytest.fixture
def place(
    home: Path, config: Path, mlflow_tables: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A home whose steps run in a step host."""
    dataset, model = orders.dataset(Cadence.DAY), orders.model(Cadence.DAY)
    dataset["schedule"] = "5 6 * * *"
    model["training"] |= {"window": BEFORE, "holdout": HOLDOUT}
    # Shadows often enough for a month to be eventful.
    model["retraining"] = {"shadow_every": 3, "cooldown": 2}
    with shop_home(config, monkeypatch, mlflow_tables, dataset, model) as folder:
        yield folder


class Month:
    """The nights, one after the other."""

    def __init__(self, place: Path, dags: dict[str, Any], patch: pytest.MonkeyPatch) -> None:
        self.place, self.dags, self.patch = place, dags, patch
        self.ledger: Ledger = open_ledger(load_settings())
        self.lake = Lake(load_settings())
        self.ingesting, self.watching = (
            Schedule(dags[dag], FIRST.start, patch) for dag in ("ingest_orders", "monitor_lateness")
        )

    def write(self, number: int) -> None:
        """The day's file at the source."""
        rows(number).to_csv(self.place / "upstream" / f"{day(number)}.csv", index=False)

    def begin(self) -> None:
        """The days before, ingested by hand, and the first model."""
        for number in range(-BEFORE, 0):
            self.write(number)
        done = self.dags["ingest_orders"].test(run_conf={"start": day(-BEFORE), "end": day(-1)})
        assert states(done)["ingest"] == "success"
        assert self.train("manual")

    def night(self, number: int) -> Decision:
        """A day's data, its answers and its night; a training where the night asked for one."""
        self.write(number)
        [(ingested, _)] = self.ingesting.until()
        assert states(ingested)["ingest"] == "success"
        self.answer(day(number))
        [(watched, _)] = self.watching.until()
        assert states(watched) == {"monitor": "success"}
        [decision] = self.ledger.decisions("lateness", Topic.RETRAINING, 1)
        assert decision.figures["partition"] == day(number)
        if decision.action is Action.RETRAIN:
            self.train("asset_triggered")
        return decision

    def train(self, kind: str) -> bool:
        """A training to its end; what it registered serves from then on."""
        done = run_as(kind, self.dags["train_lateness"], self.patch, None)
        found = states(done)
        assert found["evaluate"] in {"success", "failed", "skipped"}, found
        if found["register"] != "success":
            return False
        settings = load_settings()
        last = self.ledger.current_deployment("lateness")
        version = models.version("lateness", last.version + 1 if last else 1, settings=settings)
        serve(self.ledger, version)
        return True

    def answer(self, key: str) -> None:
        """What production was asked for the day's orders, and the champion answered."""
        settings, catalog = load_settings(), load_catalog()
        spec, dataset = catalog.model("lateness"), catalog.dataset("orders")
        deployed = self.ledger.current_deployment("lateness")
        assert isinstance(deployed, Deployment)
        frame = self.lake.read(self.lake.snapshot("orders", [key]))
        told = json.loads(frame[[*dataset.keys, *spec.inputs]].to_json(orient="records"))
        for row, at in zip(told, frame["ordered_at"], strict=True):
            row["ordered_at"] = at.date()
        scores = loader.load(deployed.artifact, settings).predict(frame).tolist()
        moment = datetime.fromisoformat(key).replace(hour=12, tzinfo=UTC)
        log = PredictionLog(log_folder(settings.home, "lateness"))
        name, version = spec.serving.event_time, deployed.version
        log.append(encode([Answered(f"r-{key}", version, moment, told, scores, name, dataset)]))
        log.close()


def replayed(cache: Path) -> Run:
    """The same days, played."""
    catalog = load_catalog()
    past = pasts.read(load_settings(), catalog.model("lateness"), catalog.dataset("orders"))
    first = BEFORE - 1
    assert past.keys[first] == day(-1)
    fits = Fits(past, cache, first)
    files = Files(str(cache), {}, "the cache")
    player = Player(fits, Nights(fits, files), Judges(fits, files), first)
    return player.play(
        Policy("by_gain", Kind.LOOP, spec=past.model.retraining, refit=past.model.training.refit)
    )


def test_a_live_month_and_its_replay_decide_alike_night_by_night(
    place: Path, load_dags: LoadDags, database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    month = Month(place, load_dags(), monkeypatch)
    replaying = month.dags["airloop_replay"]
    # Nothing serves: no step is begun, and the ledger stays as `airloop up` leaves it.
    assert states(run_as("scheduled", replaying, monkeypatch, None))["replay"] == "skipped"
    assert month.ledger.newest_attempt("replay:lateness") == 0
    month.begin()
    live, served = [], []
    for number in range(NIGHTS):
        decision = month.night(number)
        # Where a reason is held back the ledger keeps it, too; what follows from a night is compared.
        trains = decision.action is Action.RETRAIN
        cause = decision.figures.get("cause") if trains else None
        live.append((day(number), decision.figures["triage"], decision.action.value, cause))
        deployed = month.ledger.current_deployment("lateness")
        served.append(deployed.version if deployed else 0)
    # The last day's night decides who serves a day that the history does not have.
    run = replayed(place / "cache")
    played = [(one.night, str(one.triage), str(one.action), one.cause) for one in run.decisions]
    assert played == live[: len(played)]
    assert len(played) == NIGHTS - 1
    assert any(action == Action.RETRAIN for _, _, action, _ in live)
    broken = [night for night, triage, *_ in live if triage == Triage.INCIDENT]
    assert broken == [day(BROKEN)] == [one.partition for one in month.ledger.incidents("lateness")]
    # Nothing was learned from it, live or played.
    last = month.ledger.current_deployment("lateness")
    trained = FrozenSpec.read((fetch(last.artifact, load_settings()) / SPEC).read_bytes())
    assert day(BROKEN) not in trained.trained_on
    taken = [night for night, *_, passed in run.trainings if passed]
    versions = [
        1 + sum(one <= BEFORE + number - 1 + 1 for one in taken) for number in range(NIGHTS)
    ]
    assert versions[: len(played)] == served[: len(played)]


def test_the_month_has_days(place: Path) -> None:
    """The control: what the nights are counted by."""
    assert (day(-1), day(0), day(30)) == ("2013-03-31", "2013-04-01", "2013-05-01")
    assert FIRST.start + timedelta(days=1) == FIRST.end
