"""`make large-loop` in short: a few thousand rows go the same way, each step its own process of 4 GiB of address space."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from airloop.contracts import ModelVersion
from airloop.data.lake.lake import Lake
from bench.bounded import LIMIT_MB, Loop
from bench.bounded_world import MODEL, days_of, write
from tests.support.loop.project import serve

DAYS, PER_DAY = 5, 12_000


@pytest.fixture
def loop(mlflow_tables: Path, tmp_path: Path) -> Iterator[Loop]:
    pytest.importorskip("torch")
    before = dict(os.environ)
    shutil.copy(mlflow_tables, tmp_path / "mlflow.db")
    write(tmp_path, DAYS, PER_DAY)
    yield Loop(tmp_path, DAYS, PER_DAY, LIMIT_MB)
    os.environ.clear()
    os.environ.update(before)


def test_rows_stream_through_the_loop_within_the_limit(loop: Loop) -> None:
    version = ModelVersion.model_validate(loop.learn())
    serve(loop.ledger, version)
    loop.watch()
    told = [[cell.strip() for cell in line.strip("|").split("|")] for line in loop.lines]
    assert [one[0] for one in told] == [
        *("ingest", "train", "evaluate", "register", "monitor", "score"),
    ]
    assert told[1][1] == f"{DAYS * PER_DAY:,}"
    assert all(0 < int(one[-1].replace(",", "")) <= LIMIT_MB for one in told), told
    # Nothing of it lies in the checkout, from which the steps are asked.
    assert [*(loop.folder / "runs").iterdir()]
    assert Lake(loop.settings).partitions(f"scores__{MODEL}") == (days_of(DAYS)[-1],)
