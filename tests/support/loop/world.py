"""A project of one dataset and one model in a folder, whose steps are run one by one: real lake, ledger, MLflow, log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from airloop.contracts import Candidate, DriftReport, Outcome
from airloop.data.lake.lake import Lake
from airloop.exchange.step import StepRequest
from airloop.execution.context import StepContext
from airloop.ledger import open_ledger
from airloop.partition import Cadence
from airloop.registry import loader
from airloop.serving.log.predictionlog import PredictionLog, log_folder
from airloop.serving.log.records import Answered, encode
from airloop.settings import Settings
from airloop.specs.catalog import Catalog
from airloop.steps import evaluate, ingest, monitor, register, train

#: When all requests are answered.
ANSWERED = datetime(2013, 3, 25, 7, 7, tzinfo=UTC)


class World:
    """The project, and what an operator would ask of its steps.

    :param home: an empty folder, but for MLflow's tables
    """

    def __init__(self, home: Path, dataset: Mapping[str, Any], model: Mapping[str, Any]) -> None:
        self.home, self.dataset, self.model = home, str(dataset["name"]), str(model["name"])
        self.cadence = Cadence(dataset.get("cadence", "day"))
        self.settings = Settings(
            lake_uri=str(home / "lake"),
            ledger_url=f"sqlite:///{home / 'ledger.db'}",
            mlflow_uri=f"sqlite:///{home / 'mlflow.db'}",
            reports_uri=str(home / "reports"),
        )
        for folder, spec in (("datasets", dataset), ("models", model)):
            path = home / "config" / folder / f"{spec['name']}.yaml"
            path.parent.mkdir(parents=True)
            path.write_text(yaml.safe_dump(dict(spec)))
        self.ledger = open_ledger(self.settings)
        self.catalog = Catalog(home / "config")
        self.lake = Lake(self.settings)

    def step(self, module: Any, key: str, **fields: Any) -> Any:
        folder = self.home / "work" / str(len(list(self.home.glob("work/*"))))
        folder.mkdir(parents=True)
        context = StepContext(self.settings, self.catalog, self.ledger, folder)
        request: StepRequest = module.Request(fence=self.ledger.begin_attempt(key), **fields)
        return module.run(request, context)

    def ingest(self, *asked: str, **fields: Any) -> Any:
        key = f"ingest:{self.dataset}:{asked[0]}..{asked[-1]}"
        return self.step(ingest, key, dataset=self.dataset, partitions=asked, **fields)

    def train(self, run: str, **fields: Any) -> Candidate:
        candidate: Candidate = self.step(
            train, f"train:{self.model}:{run}", model=self.model, **fields
        ).candidate
        return candidate

    def deliver(self, run: str, **fields: Any) -> tuple[Candidate, Any]:
        made = self.train(run, **fields)
        report = self.step(evaluate, f"evaluate:{self.model}:{made.run_id}", candidate=made).report
        assert report.outcome is Outcome.OK, report.reason
        key = f"register:{self.model}:{made.run_id}"
        version = self.step(register, key, candidate=made, report=report).version
        self.ledger.record_deployment(
            self.ledger.begin_attempt(f"promote:{self.model}"),
            model=self.model,
            version=version.version,
            artifact=version.artifact,
            kind="promote",
            reason="test",
        )
        return made, version

    def answer(self, *asked: str) -> None:
        """What production would have been asked and answered for the rows of these partitions."""
        deployed = self.ledger.current_deployment(self.model)
        assert deployed is not None
        loaded = loader.load(deployed.artifact, self.settings)
        spec, dataset = self.catalog.model(self.model), self.catalog.dataset(self.dataset)
        moment = spec.serving.event_time
        log = PredictionLog(log_folder(self.settings.home, self.model))
        for key in asked:
            rows = self.lake.read(self.lake.snapshot(self.dataset, [key]))
            columns = [*dataset.keys, *spec.inputs]
            told = json.loads(rows[columns].to_json(orient="records", date_unit="us"))
            for row, at in zip(told, rows.get(moment, [None] * len(rows)), strict=True):
                if at is not None:
                    at = at.to_pydatetime()
                    row[moment] = at.date() if self.cadence is Cadence.DAY else at
            scores = loaded.predict(rows).tolist()
            one = Answered(f"r-{key}", deployed.version, ANSWERED, told, scores, moment, dataset)
            log.append(encode([one]))
        log.close()

    def night(self, key: str) -> DriftReport:
        report: DriftReport = self.step(
            monitor, f"monitor:{self.model}:{key}", model=self.model, partition=key
        ).report
        return report
