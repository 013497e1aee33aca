"""`make large-loop` in short: a few thousand rows go the same way, each step its own process of 4 GiB of address space."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from bench.apart import call
from bench.bounded import LIMIT_MB
from bench.bounded_world import MODEL, days_of, write

DAYS, PER_DAY = 5, 12_000


def around(folder: str) -> dict[str, Any]:
    """The loop's lines and what it left, in a process of its own: one of the tests has more address space than the limit."""
    from airloop.contracts import ModelVersion
    from airloop.data.lake.lake import Lake
    from bench.bounded import Loop
    from tests.support.loop.project import serve

    loop = Loop(Path(folder), DAYS, PER_DAY, LIMIT_MB)
    version = ModelVersion.model_validate(loop.learn())
    serve(loop.ledger, version)
    loop.watch()
    return {"lines": loop.lines, "scored": Lake(loop.settings).partitions(f"scores__{MODEL}")}


def test_rows_stream_through_the_loop_within_the_limit(mlflow_tables: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    shutil.copy(mlflow_tables, tmp_path / "mlflow.db")
    write(tmp_path, DAYS, PER_DAY)
    found = call(f"{__name__}:around", folder=str(tmp_path))
    told = [[cell.strip() for cell in line.strip("|").split("|")] for line in found["lines"]]
    assert [one[0] for one in told] == [
        *("ingest", "train", "evaluate", "register", "monitor", "score"),
    ]
    assert told[1][1] == f"{DAYS * PER_DAY:,}"
    assert all(0 < int(one[-1].replace(",", "")) <= LIMIT_MB for one in told), told
    # Nothing of it lies in the checkout, from which the steps are asked.
    assert [*(tmp_path / "runs").iterdir()]
    assert found["scored"] == [days_of(DAYS)[-1]]
