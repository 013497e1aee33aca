"""Columns may be called nearly anything: one dataset of hostile names through every step of the loop, and its service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from airloop.contracts import Outcome, Triage
from airloop.data.lake.lake import Lake
from airloop.exchange.step import StepRequest
from airloop.execution.context import StepContext
from airloop.ledger import open_ledger
from airloop.registry import loader
from airloop.serving.assembly import build_endpoints
from airloop.serving.http.app import Application
from airloop.serving.http.middleware import Middleware
from airloop.serving.log.compaction import compact
from airloop.settings import Settings
from airloop.specs.catalog import Catalog
from airloop.steps import evaluate, ingest, monitor, register, score, train
from tests.support.loop import free_names as made

DAYS = [str(day.date()) for day in pd.date_range("2013-03-01", periods=10)]
TOKEN = "a-token-of-the-test"


class World:
    """A home of one dataset, delivered as CSV, and of two models."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.settings = Settings(
            lake_uri=str(home / "lake"),
            ledger_url=f"sqlite:///{home / 'ledger.db'}",
            mlflow_uri=f"sqlite:///{home / 'mlflow.db'}",
            reports_uri=str(home / "reports"),
        )
        source = {"kind": "file", "format": "csv", "path": f"{home}/rows/{{partition}}.csv"}
        trees = made.model("guess", params={"max_iter": 200})
        deep = made.model("deep", trainer="torch", build="network", params={"epochs": 2})
        for folder, spec in (
            ("datasets", made.dataset(source)),
            ("models", trees),
            ("models", deep),
        ):
            path = home / "config" / folder / f"{spec['name']}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(spec, ensure_ascii=False), encoding="utf-8")
        (home / "rows").mkdir()
        for day in DAYS:
            made.rows(day).to_csv(home / "rows" / f"{day}.csv", index=False)
        self.ledger = open_ledger(self.settings)
        self.catalog = Catalog(home / "config")
        self.lake = Lake(self.settings)

    def step(self, module: Any, key: str, **fields: Any) -> Any:
        folder = self.home / "work" / str(len(list(self.home.glob("work/*"))))
        folder.mkdir(parents=True)
        context = StepContext(self.settings, self.catalog, self.ledger, folder)
        request: StepRequest = module.Request(fence=self.ledger.begin_attempt(key), **fields)
        return module.run(request, context)

    def deploy(self, model: str) -> loader.LoadedModel:
        candidate = self.step(train, f"train:{model}:a", model=model).candidate
        report = self.step(evaluate, f"evaluate:{model}:a", candidate=candidate).report
        assert report.outcome is Outcome.OK, report.reason
        fields = {"candidate": candidate, "report": report}
        version = self.step(register, f"register:{model}:a", **fields).version
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


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("names")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRLOOP_HOME", str(home))
        patch.chdir(home)
        made_there = World(home)
        made_there.step(ingest, "ingest:things:a", dataset="things", partitions=DAYS)
        yield made_there


def test_the_loop_closes_whatever_the_columns_are_called(world: World) -> None:
    frame = world.lake.read(world.lake.snapshot("things", DAYS))
    assert set(frame.columns) == set(made.rows(DAYS[0]).columns)
    loaded = world.deploy("guess")
    assert loaded.runtime == "onnx"
    scored = world.step(score, "score:guess:a", model="guess", partition=DAYS[-1])
    assert set(world.lake.read(scored.table)[made.KEY]) == set(made.rows(DAYS[-1])[made.KEY])

    async def talk(http: httpx.AsyncClient) -> Any:
        answers = [await predict(http, "guess", requested(day)) for day in DAYS[-8:]]
        document = (await http.get("/openapi.json")).json()
        row = document["components"]["schemas"]["guess_row"]["properties"]
        assert set(row) == {made.KEY, *made.INPUTS}
        content = document["paths"]["/models/guess/predict"]["post"]["requestBody"]["content"]
        assert set(content["application/json"]["example"]["rows"][0]) == set(row)
        wrong = await http.post(
            "/models/guess/predict", json={"rows": [{**requested(DAYS[0])[0], "<b>": "text"}]}
        )
        assert wrong.status_code == 422
        assert "rows.0.<b>" in wrong.json()["error"]
        return answers[-1]

    answers = world.served(talk)
    offline = loaded.predict(world.lake.read(world.lake.snapshot("things", DAYS[-1:])))
    assert np.abs(np.array(answers) - offline).max() < 1e-6
    moved = compact(world.settings, "guess", catalog=world.catalog)
    assert moved.rows == 8 * made.ROWS
    found = world.step(monitor, "monitor:guess:a", model="guess", partition=DAYS[-1]).report
    assert found.triage is Triage.NOTHING, found.reason
    assert found.performance["labelled"] == 7 * made.ROWS
    assert {one.column for one in found.features} >= {*made.NUMBERS, *made.TEXTS, "class"}


def test_a_network_takes_them_too(world: World) -> None:
    loaded = world.deploy("deep")
    assert loaded.runtime == "onnx"
    answers = world.served(lambda http: predict(http, "deep", requested(DAYS[-1])))
    offline = loaded.predict(world.lake.read(world.lake.snapshot("things", DAYS[-1:])))
    assert np.abs(np.array(answers) - offline).max() < 1e-6


def test_the_page_of_the_data_holds_no_markup_of_theirs(world: World) -> None:
    pages = sorted(world.home.glob("reports/data_docs/things/*/*.html"))
    assert pages
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "<b>" not in text
        assert "a,b" in text
