"""A candidate; the parameter ``auc`` is its quality, and ``die`` kills it."""

import json
import os
import signal
from typing import Any

from airloop.contracts import ArtifactRef, Candidate, DatasetRef
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext

DIGEST = "sha256:" + "0" * 64


class Request(StepRequest):
    model: str
    trigger_id: str | None
    until: str | None
    params: dict[str, Any]
    study: str | None = None
    plan: str | None = None
    reason: str


class Result(StepResult):
    candidate: Candidate
    run_url: str | None


def run(request: Request, context: StepContext) -> Result:
    if request.params.get("die"):
        os.kill(os.getpid(), signal.SIGKILL)
    day = request.until or "2013-02-28"
    dataset = DatasetRef(
        name="flights", uri="lake/flights", version=3, partitions=(day,), rows=842, digest=DIGEST
    )
    candidate = Candidate(
        model=request.model,
        run_id="abc123",
        artifact=ArtifactRef(uri="runs:/abc123/model", digest=DIGEST),
        dataset=dataset,
        holdout=(day,),
        params=json.dumps({"study": request.study, "plan": request.plan}),
        metrics={"roc_auc": float(request.params.get("auc", 0.7))},
        trigger_id=request.trigger_id,
    )
    return Result(candidate=candidate, run_url=None)


def assist(request: Request, context: StepContext, ranks: object) -> None:
    """A pod beside the first has nothing to do here."""
