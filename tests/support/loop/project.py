"""A project in a folder whose steps are run one by one: real lake, ledger and MLflow, without Airflow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from airloop.contracts import Candidate, GateReport, ModelVersion, Outcome
from airloop.data.lake.digest import rows_digest
from airloop.data.lake.lake import Lake
from airloop.data.sources.conform import conform
from airloop.evaluation.warrant import DELIVERS, JUDGED, identity
from airloop.exchange.step import StepRequest
from airloop.execution.context import StepContext
from airloop.ledger import Ledger, open_ledger
from airloop.settings import Settings
from airloop.specs.catalog import Catalog
from airloop.specs.dataset import DatasetSpec
from airloop.steps import register
from airloop.vocabulary import Action, DeploymentKind, Topic


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


def passed(ledger: Ledger, version: ModelVersion) -> None:
    """Write down that a version's gates said yes, where nobody asked them."""
    digest = version.artifact.digest
    ledger.record_decision(
        entity=version.model,
        topic=Topic.GATE,
        action=Action.PASSED,
        reason="test",
        figures={"run_id": version.run_id, JUDGED: digest, DELIVERS: digest},
        id=identity(version.run_id, version.champion_version, Outcome.OK),
    )


class Project:
    """One dataset and its models.

    :param home: an empty folder, but for MLflow's tables
    :param mlflow: a server's address; without one MLflow's tables are in the folder
    """

    def __init__(
        self, home: Path, dataset: Mapping[str, Any], *models: Mapping[str, Any], mlflow: str = ""
    ) -> None:
        self.home = home
        self.settings = Settings(
            lake_uri=str(home / "lake"),
            ledger_url=f"sqlite:///{home / 'ledger.db'}",
            mlflow_uri=mlflow or f"sqlite:///{home / 'mlflow.db'}",
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

    def put(self, spec: DatasetSpec, frame: pd.DataFrame) -> None:
        """Rows of whole days into the lake."""
        column = spec.partition_column
        for day, part in frame.groupby(frame[column].dt.strftime("%Y-%m-%d")):
            table, wrong = conform(spec, part.reset_index(drop=True))
            assert not wrong
            self.lake.replace_partition(
                spec.name,
                str(day),
                table,
                partition_column=column,
                fence=self.ledger.begin_attempt(f"ingest:{spec.name}:{day}"),
                digest=rows_digest(table, without=[column]),
            )

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
