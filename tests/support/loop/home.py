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
from airloop.registry import loader
from airloop.registry.loaded import LoadedModel
from airloop.serving.assembly import build_endpoints
from airloop.serving.http.app import Application
from airloop.serving.http.middleware import Middleware
from airloop.serving.http.tokens import Tokens
from airloop.steps import evaluate, ingest, train
from tests.support.loop import free_names as made
from tests.support.loop.project import Project

TOKEN = "a-token-of-the-test"


class Home(Project):
    """A home of the dataset, delivered as CSV, and of some models."""

    def __init__(self, home: Path, *models: dict[str, Any]) -> None:
        source = {"kind": "file", "format": "csv", "path": f"{home}/rows/{{partition}}.csv"}
        super().__init__(home, made.dataset(source), *models)

    def deliver(self, day: str, rows: pd.DataFrame) -> None:
        """Put a day's file where the source looks."""
        path = self.home / "rows" / f"{day}.csv"
        path.parent.mkdir(exist_ok=True)
        rows.to_csv(path, index=False)

    def ingest(self, *days: str) -> Any:
        """Ingest days in one run."""
        return self.step(ingest, f"ingest:things:{days[0]}", dataset="things", partitions=days)

    def candidate(self, model: str, run: str) -> tuple[Candidate, GateReport]:
        """Train and judge."""
        made_one = self.step(train, f"train:{model}:{run}", model=model).candidate
        judged = self.step(evaluate, f"evaluate:{model}:{run}", candidate=made_one).report
        return made_one, judged

    def deploy(self, candidate: Candidate, report: GateReport) -> LoadedModel:
        """Register, and let it serve."""
        version = self.registered(candidate, report)
        return loader.load(version.artifact, self.settings)

    def served(self, talk: Callable[[httpx.AsyncClient], Awaitable[Any]]) -> Any:
        """What comes of talking to the service over its own HTTP application."""

        async def main() -> Any:
            endpoints = build_endpoints(self.settings, self.catalog)
            await endpoints.refresh()
            transport = httpx.ASGITransport(Middleware(Application(endpoints), Tokens(TOKEN)))
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
