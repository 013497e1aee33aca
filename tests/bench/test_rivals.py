"""What the service is measured against answers as its model does: another answer would cost something else."""

from __future__ import annotations

from pathlib import Path

import httpx
import joblib
import numpy as np
import pytest

from airloop.data.lake.lake import Lake
from airloop.delivery.verification import newest_rows
from airloop.ledger import open_ledger
from airloop.registry.loader import load
from airloop.settings import Settings, load_settings
from airloop.specs import load_catalog
from bench import serving_world as world
from bench.rivals import servers
from bench.serving import DAYS, SAME

ROWS = 300


def test_the_rivals_answer_as_the_model_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On many rows: where a tree's threshold cuts a double elsewhere than a float32, one row in seven differs."""
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    load_settings.cache_clear()
    load_catalog.cache_clear()
    settings = Settings()
    world.ingest(settings, DAYS[:3])
    world.deploy(settings, world.train(settings, 1))
    deployed = open_ledger(settings).current_deployment(world.MODEL)
    assert deployed is not None
    model = load(deployed.artifact, settings)
    frame = newest_rows(Lake(settings), model)
    assert frame is not None
    expected = model.predict(frame.head(ROWS))
    rows = world.request_rows(settings)[: len(expected)]

    pipeline = tmp_path / "pipeline.joblib"
    joblib.dump(servers.pipeline(tmp_path / "store" / "1"), pipeline)
    one_by_one = [servers.answer_of(pipeline, row) for row in rows[:60]]
    assert np.abs(np.array(one_by_one) - expected[:60]).max() < SAME

    server = servers.rivals(tmp_path, "t")["fastapi"]
    with servers.answering(server, tmp_path / "fastapi.log") as (url, _):
        headers = {"authorization": "Bearer t"}
        answered = httpx.post(url, json={"rows": rows}, headers=headers, timeout=60)
    assert answered.status_code == 200
    assert np.abs(np.array(answered.json()["predictions"]) - expected).max() < SAME
