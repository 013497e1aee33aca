"""The example of hostile names as a project of its own, whose steps and service run without Airflow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pandas as pd

from airloop.contracts import Candidate, GateReport
from airloop.data.lake.lake import Lake
from airloop.exchange.step import StepRequest
from airloop.execution.context import StepContext
from airloop.ledger import open_ledger
from airloop.registry import loader
from airloop.serving.assembly import build_endpoints
from airloop.serving.http.app import Application
from airloop.serving.http.middleware import Middleware
from airloop.settings import Settings
from airloop.specs.catalog import Catalog
from airloop.steps import evaluate, ingest, register, train
from tests.support.loop import free_names as made

TOKEN = "a-token-of-the-test"


class Home:
    """A home of the dataset, delivered as CSV, and of some models; steps run in it one by one."""

    def __init__(self, home: Path, *models: dict[str, Any]) -> None:
        self.home = home
        self.settings = Settings(
            lake_uri=str(home / "lake"),
            ledger_url=f"sqlite:///{home / 'ledger.db'}",
            mlflow_uri=f"sqlite:///{home / 'mlflow.db'}",
            reports_uri=str(home / "reports"),
        )
        source = {"kind": "file", "format": "csv", "path": f"{home}/rows/{{partition}}.csv"}
        self.write("datasets", made.dataset(source))
        for model in models:
            self.write("models", model)
        self.ledger = open_ledger(self.settings)
        self.catalog = Catalog(home / "config")
        self.lake = Lake(self.settings)

    def write(self, folder: str, spec: dict[str, Any]) -> None:
        """Write a spec; JSON is YAML."""
        path = self.home / "config" / folder / f"{spec['name']}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(spec, ensure_ascii=False), encoding="utf-8")

    def deliver(self, day: str, rows: pd.DataFrame) -> None:
        """Put a day's file where the source looks."""
        path = self.home / "rows" / f"{day}.csv"
        path.parent.mkdir(exist_ok=True)
        rows.to_csv(path, index=False)

    def ingest(self, *days: str) -> Any:
        """Ingest days in one run."""
        return self.step(ingest, f"ingest:things:{days[0]}", dataset="things", partitions=days)

    def step(self, module: Any, key: str, **fields: Any) -> Any:
        folder = self.home / "work" / str(len(list(self.home.glob("work/*"))))
        folder.mkdir(parents=True)
        context = StepContext(self.settings, self.catalog, self.ledger, folder)
        request: StepRequest = module.Request(fence=self.ledger.begin_attempt(key), **fields)
        return module.run(request, context)

    def candidate(self, model: str, run: str) -> tuple[Candidate, GateReport]:
        """Train and judge."""
        made_one = self.step(train, f"train:{model}:{run}", model=model).candidate
        judged = self.step(evaluate, f"evaluate:{model}:{run}", candidate=made_one).report
        return made_one, judged

    def deploy(self, candidate: Candidate, report: GateReport) -> loader.LoadedModel:
        """Register, and let it serve."""
        model, fields = candidate.model, {"candidate": candidate, "report": report}
        version = self.step(register, f"register:{model}:{candidate.run_id}", **fields).version
        self.ledger.record_deployment(
            self.ledger.begin_attempt(f"promote:{model}"),
            model=model,
            version=version.version,
            artifact=version.artifact,
            kind="promote",
            reason="test",
        )
        return loader.load(version.artifact, self.settings)

    def served(self, talk: Callable[[httpx.AsyncClient], Awaitable[Any]]) -> Any:
        """What comes of talking to the service over its own HTTP application."""

        async def main() -> Any:
            endpoints = build_endpoints(self.settings, self.catalog)
            await endpoints.refresh()
            transport = httpx.ASGITransport(Middleware(Application(endpoints), TOKEN))
            headers = {"authorization": f"Bearer {TOKEN}"}
            async with httpx.AsyncClient(
                transport=transport, base_url="http://s", headers=headers
            ) as http:
                result = await talk(http)
            await endpoints.close()
            return result

        return asyncio.run(main())


def requested(day: str) -> list[dict[str, Any]]:
    """A day's rows as a client sends them."""
    frame = made.rows(day)[[made.KEY, *made.INPUTS]]
    frame["{x}"] = frame["{x}"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.loads(frame.to_json(orient="records", force_ascii=False))  # type: ignore[no-any-return]


async def predict(http: httpx.AsyncClient, model: str, rows: list[dict[str, Any]]) -> Any:
    answer = await http.post(f"/models/{model}/predict", json={"rows": rows})
    assert answer.status_code == 200, answer.text
    return answer.json()["predictions"]
