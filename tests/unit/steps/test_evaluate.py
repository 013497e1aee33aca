"""A version that serves is not a candidate."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airloop.contracts import ArtifactRef, Candidate, DatasetRef
from airloop.errors import GateError
from airloop.ledger import open_ledger
from airloop.settings import Settings
from airloop.steps.evaluate import _check_new
from airloop.vocabulary import DeploymentKind

DIGEST = "sha256:" + "0" * 64


def candidate(run_id: str) -> Candidate:
    rows = DatasetRef(name="d", uri="u", version=1, partitions=(), rows=0, digest=DIGEST)
    artifact = ArtifactRef(uri=f"runs:/{run_id}/model", digest=DIGEST)
    return Candidate(
        model="m", run_id=run_id, artifact=artifact, dataset=rows, holdout=(), metrics={}
    )


def test_a_run_whose_version_serves_is_not_judged_against_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRLOOP_HOME", str(tmp_path))
    ledger = open_ledger(Settings())
    context: Any = SimpleNamespace(ledger=ledger)
    _check_new(candidate("one"), context)
    ledger.record_deployment(
        ledger.begin_attempt("promote:m"),
        model="m",
        version=4,
        artifact=candidate("one").artifact,
        kind=DeploymentKind.PROMOTE,
        reason="r",
    )
    with pytest.raises(GateError, match="serves already, as version 4"):
        _check_new(candidate("one"), context)
    _check_new(candidate("two"), context)
