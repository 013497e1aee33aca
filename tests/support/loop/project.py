"""A project in a folder whose steps are run one by one: real lake, ledger and MLflow, without Airflow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airloop.contracts import Candidate, GateReport, ModelVersion
from airloop.data.lake.lake import Lake
from airloop.exchange.step import StepRequest
from airloop.execution.context import StepContext
from airloop.ledger import Ledger, open_ledger
from airloop.settings import Settings
from airloop.specs.catalog import Catalog
from airloop.steps import register
from airloop.vocabulary import DeploymentKind


def serve(ledger: Ledger, version: ModelVersion) -> None:
    """Let a version serve; without a service there is nobody to verify it."""
    ledger.record_deployment(
        ledger.begin_attempt(f"promote:{version.model}"),
        model=version.model,
        version=version.version,
        artifact=version.artifact,
        kind=DeploymentKind.PROMOTE,
        reason="test",
    )


class Project:
    """One dataset and its models.

    :param home: an empty folder, but for MLflow's tables
    """

    def __init__(self, home: Path, dataset: Mapping[str, Any], *models: Mapping[str, Any]) -> None:
        self.home = home
        self.settings = Settings(
            lake_uri=str(home / "lake"),
            ledger_url=f"sqlite:///{home / 'ledger.db'}",
            mlflow_uri=f"sqlite:///{home / 'mlflow.db'}",
            reports_uri=str(home / "reports"),
        )
        self.write("datasets", dataset)
        for model in models:
            self.write("models", model)
        self.ledger = open_ledger(self.settings)
        self.catalog = Catalog(home / "config")
        self.lake = Lake(self.settings)

    def write(self, folder: str, spec: Mapping[str, Any]) -> None:
        """Write a spec; JSON is YAML."""
        path = self.home / "config" / folder / f"{spec['name']}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(dict(spec), ensure_ascii=False), encoding="utf-8")

    def step(self, module: Any, key: str, **fields: Any) -> Any:
        """Run a step as an attempt at this key."""
        folder = self.home / "work" / str(len(list(self.home.glob("work/*"))))
        folder.mkdir(parents=True)
        context = StepContext(self.settings, self.catalog, self.ledger, folder)
        request: StepRequest = module.Request(fence=self.ledger.begin_attempt(key), **fields)
        return module.run(request, context)

    def registered(self, candidate: Candidate, report: GateReport) -> ModelVersion:
        """Register a candidate that passed, and let it serve."""
        model, fields = candidate.model, {"candidate": candidate, "report": report}
        version: ModelVersion = self.step(
            register, f"register:{model}:{candidate.run_id}", **fields
        ).version
        serve(self.ledger, version)
        return version
