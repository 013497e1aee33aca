"""Columns may be called nearly anything: one dataset of hostile names through every step of the loop, and its service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from airloop.contracts import Outcome
from airloop.registry.loaded import LoadedModel
from airloop.serving.log.compaction import compact
from airloop.steps import monitor, score
from airloop.vocabulary import Triage
from tests.support.loop import free_names as made
from tests.support.loop.home import Home, predict, requested

DAYS = [str(day.date()) for day in pd.date_range("2013-03-01", periods=10)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("names")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRLOOP_HOME", str(folder))
        patch.chdir(folder)
        plain = made.model("guess", params={"max_iter": 200})
        deep = made.model("deep", trainer="torch", build="network", params={"epochs": 2})
        home = Home(folder, plain, deep)
        for day in DAYS:
            home.deliver(day, made.rows(day))
        home.ingest(*DAYS)
        yield home


def deployed(world: Home, model: str) -> LoadedModel:
    candidate, judged = world.candidate(model, "a")
    assert judged.outcome is Outcome.OK, judged.reason
    return world.deploy(candidate, judged)


def test_the_loop_closes_whatever_the_columns_are_called(world: Home) -> None:
    frame = world.lake.read(world.lake.snapshot("things", DAYS))
    assert set(frame.columns) == set(made.rows(DAYS[0]).columns)
    loaded = deployed(world, "guess")
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


def test_a_network_takes_them_too(world: Home) -> None:
    loaded = deployed(world, "deep")
    assert loaded.runtime == "onnx"
    answers = world.served(lambda http: predict(http, "deep", requested(DAYS[-1])))
    offline = loaded.predict(world.lake.read(world.lake.snapshot("things", DAYS[-1:])))
    assert np.abs(np.array(answers) - offline).max() < 1e-6


def test_the_page_of_the_data_holds_no_markup_of_theirs(world: Home) -> None:
    pages = sorted(world.home.glob("reports/data_docs/things/*/*.html"))
    assert pages
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "<b>" not in text
        assert "a,b" in text
