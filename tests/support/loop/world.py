"""A project of one dataset and one model, and what production was asked of it: a real prediction log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airloop.contracts import Candidate, DriftReport, Outcome
from airloop.partition import Cadence
from airloop.registry import loader
from airloop.serving.log.predictionlog import PredictionLog, log_folder
from airloop.serving.log.records import Answered, encode
from airloop.steps import evaluate, ingest, monitor, train
from tests.support.loop.project import Project

#: When all requests are answered.
ANSWERED = datetime(2013, 3, 25, 7, 7, tzinfo=UTC)


class World(Project):
    """The project, and what an operator would ask of its steps."""

    def __init__(self, home: Path, dataset: Mapping[str, Any], model: Mapping[str, Any]) -> None:
        self.dataset, self.model = str(dataset["name"]), str(model["name"])
        self.cadence = Cadence(dataset.get("cadence", "day"))
        super().__init__(home, dataset, model)

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
        version = self.registered(made, report)
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
            scores = spec.answer.named(loaded.predict(rows).tolist())
            one = Answered(f"r-{key}", deployed.version, ANSWERED, told, scores, moment, dataset)
            log.append(encode([one]))
        log.close()

    def night(self, key: str) -> DriftReport:
        report: DriftReport = self.step(
            monitor, f"monitor:{self.model}:{key}", model=self.model, partition=key
        ).report
        return report
