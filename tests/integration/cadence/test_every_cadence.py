"""The steps of the loop one after another, for datasets of every cadence: real lake, ledger, MLflow store, log."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from airloop.columns import MODEL_VERSION, PREDICTION
from airloop.contracts import Candidate, DriftReport, Outcome, Triage
from airloop.data.lake.lake import Lake
from airloop.errors import DataError
from airloop.exchange.step import StepRequest
from airloop.execution.context import StepContext
from airloop.ledger import open_ledger
from airloop.partition import Cadence, Partition
from airloop.registry import loader, tracking
from airloop.serving.log.predictionlog import PredictionLog, log_folder
from airloop.serving.log.records import Answered, encode
from airloop.settings import Settings
from airloop.specs.catalog import Catalog
from airloop.steps import evaluate, ingest, monitor, register, score, train
from tests.support.loop import cadences

BEGIN = datetime(2013, 3, 25, 7, 7, tzinfo=UTC)
#: Partitions, over a change to summer time where they are short enough.
COUNTS = {Cadence.HOUR: 24 * 3, Cadence.DAY: 12, Cadence.WEEK: 12, Cadence.MONTH: 12}
SPANS: dict[Cadence, tuple[Any, Any]] = {
    Cadence.HOUR: ("60h", "24h"),
    Cadence.DAY: (12, "3d"),
    Cadence.WEEK: ("12w", 3),
    Cadence.MONTH: (12, 3),
}


def keys(cadence: Cadence) -> list[str]:
    first = Partition.at(BEGIN, cadence, cadences.ZONE)
    if not cadence.timed:
        return [str(Partition.at(BEGIN + timedelta(days=day), cadence)) for day in range(3)]
    return [str(one) for one in first.through(first.before(1 - COUNTS[cadence]))]


def dataset(cadence: Cadence) -> dict[str, Any]:
    kind = "date" if cadence is Cadence.DAY else "timestamp"
    timed = {"ordered_at": {"type": kind, "nullable": False}} if cadence.timed else {}
    return {
        "name": "orders",
        "description": "orders of a shop",
        "owner": "tests",
        "source": {"kind": "python", "function": "tests.support.loop.cadences:rows"},
        "cadence": cadence.value,
        **({"partition_column": "ordered_at"} if cadence.timed else {}),
        "timezone": cadences.ZONE,
        "start": "2013-01-01",
        # A name that Airloop itself once used, and customers who come again in each partition.
        "keys": ["day"],
        "columns": {
            "day": {"type": "string", "nullable": False},
            "distance": {"type": "float"},
            "rain": {"type": "float"},
            "minutes_late": {"type": "float", "known": "after"},
            **timed,
        },
        "expectations": [
            {"expect": "expect_table_row_count_to_be_between", "with": {"min_value": 1}}
        ],
    }


def model(cadence: Cadence) -> dict[str, Any]:
    window, holdout = SPANS.get(cadence, (None, None))
    spans = {"window": window, "holdout": holdout} if cadence.timed else {"split": {"by": "label"}}
    return {
        "name": "lateness",
        "description": "late or not",
        "owner": "tests",
        "dataset": "orders",
        "module": "tests.support.loop.cadences",
        "task": "classification",
        "target": {"column": "minutes_late", "delay": 1 if cadence.timed else 0},
        "inputs": ["distance", "rain", *(["ordered_at"] if cadence.timed else [])],
        "training": {"min_rows": 100, "seed": 1, **spans},
        "gates": {
            "primary": "roc_auc",
            "absolute": {"roc_auc": {"min": 0.6}},
            "slices": "none",
            "min_holdout_rows": 200,
            "resamples": 100,
        },
        "serving": {"event_time": "ordered_at"} if cadence.timed else {},
        "monitoring": {"min_rows": 100, "window": 1},
    }


class World:
    def __init__(self, home: Path, cadence: Cadence) -> None:
        self.home, self.cadence = home, cadence
        self.settings = Settings(
            lake_uri=str(home / "lake"),
            ledger_url=f"sqlite:///{home / 'ledger.db'}",
            mlflow_uri=f"sqlite:///{home / 'mlflow.db'}",
            reports_uri=str(home / "reports"),
        )
        for folder, spec in (("datasets", dataset(cadence)), ("models", model(cadence))):
            path = home / "config" / folder / f"{spec['name']}.yaml"
            path.parent.mkdir(parents=True)
            path.write_text(yaml.safe_dump(spec))
        self.ledger = open_ledger(self.settings)
        self.catalog = Catalog(home / "config")
        self.lake = Lake(self.settings)

    def step(self, module: Any, key: str, **fields: Any) -> Any:
        folder = self.home / "work" / str(len(list(self.home.glob("work/*"))))
        folder.mkdir(parents=True)
        context = StepContext(self.settings, self.catalog, self.ledger, folder)
        request: StepRequest = module.Request(fence=self.ledger.begin_attempt(key), **fields)
        return module.run(request, context)

    def ingest(self, *asked: str) -> Any:
        return self.step(
            ingest, f"ingest:orders:{asked[0]}..{asked[-1]}", dataset="orders", partitions=asked
        )

    def deliver(self, run: str, **fields: Any) -> tuple[Candidate, Any]:
        made = self.step(train, f"train:lateness:{run}", model="lateness", **fields).candidate
        report = self.step(evaluate, f"evaluate:lateness:{made.run_id}", candidate=made).report
        assert report.outcome is Outcome.OK, report.reason
        version = self.step(
            register, f"register:lateness:{made.run_id}", candidate=made, report=report
        ).version
        self.ledger.record_deployment(
            self.ledger.begin_attempt("promote:lateness"),
            model="lateness",
            version=version.version,
            artifact=version.artifact,
            kind="promote",
            reason="test",
        )
        return made, version

    def answer(self, *asked: str) -> None:
        """What production would have been asked and answered for the rows of these partitions."""
        deployed = self.ledger.current_deployment("lateness")
        assert deployed is not None
        loaded = loader.load(deployed.artifact, self.settings)
        spec = self.catalog.model("lateness")
        log = PredictionLog(log_folder(self.settings.home, "lateness"))
        for key in asked:
            rows = self.lake.read(self.lake.snapshot("orders", [key]))
            told = json.loads(rows[["day", *spec.inputs]].to_json(orient="records", date_unit="us"))
            for row, at in zip(told, rows.get("ordered_at", [None] * len(rows)), strict=True):
                if at is not None:
                    at = at.to_pydatetime()
                    row["ordered_at"] = at.date() if self.cadence is Cadence.DAY else at
            scores = loaded.predict(rows).tolist()
            one = Answered(
                f"r-{key}",
                deployed.version,
                BEGIN,
                told,
                scores,
                spec.serving.event_time,
                self.catalog.dataset("orders"),
            )
            log.append(encode([one]))
        log.close()

    def night(self, key: str) -> DriftReport:
        return self.step(monitor, f"monitor:lateness:{key}", model="lateness", partition=key).report


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("store")
    settings = Settings(mlflow_uri=f"sqlite:///{home / 'mlflow.db'}")
    tracking.client(settings).search_experiments()
    return home / "mlflow.db"


@pytest.fixture(params=list(Cadence))
def world(
    request: pytest.FixtureRequest,
    template: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    shutil.copy(template, tmp_path / "mlflow.db")
    return World(tmp_path, request.param)


def test_the_loop_closes(world: World) -> None:
    there = keys(world.cadence)
    ingested = world.ingest(*there[:-1])
    assert [one.partition for one in ingested.partitions] == there[:-1]
    assert world.lake.partitions("orders") == tuple(sorted(there[:-1]))
    candidate, version = world.deliver("first")
    if world.cadence.timed:
        assert max(candidate.holdout) == there[-2]
        assert not set(candidate.holdout) & set(version_days(world, version))
    world.ingest(there[-1])
    scored = world.step(score, f"score:lateness:{there[-1]}", model="lateness", partition=there[-1])
    frame = world.lake.read(scored.table)
    assert set(frame[MODEL_VERSION]) == {1}
    assert frame[PREDICTION].between(0, 1).all()
    world.answer(*there[-8:])
    found = world.night(there[-1])
    assert found.triage is Triage.NOTHING, found.reason
    logged = world.lake.partitions("predictions__lateness")
    asked = there[-8:] if world.cadence.timed else [BEGIN.astimezone().date().isoformat()]
    assert set(logged) == set(asked)
    # The same customer comes in each partition: each answer has the label of its own.
    if world.cadence.timed:
        weeks = 7 if world.cadence is Cadence.DAY else 1
        answered = found.performance["predicted"]
        assert found.performance["labelled"] == answered >= weeks * cadences.ROWS


def version_days(world: World, version: Any) -> tuple[str, ...]:
    return loader.load(version.artifact, world.settings).trained_on


def test_rows_of_another_partition_are_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not world.cadence.timed:
        pytest.skip("a delivery has no time of its own")
    first, second = keys(world.cadence)[:2]
    stray = next(cadences.rows(second))

    def mixed(partition: str) -> Any:
        yield next(rows(partition))
        yield stray.head(3)

    rows = cadences.rows
    monkeypatch.setattr(cadences, "rows", mixed)
    with pytest.raises(DataError, match="3 rows have another ordered_at"):
        world.ingest(first)
    assert world.lake.partitions("orders") == ()
