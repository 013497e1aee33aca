"""What training used, on the MLflow run and the version that came of it, and in the ledger."""

from __future__ import annotations

import os
from typing import Any

import pytest

from airloop.accounting.figures import total
from airloop.accounting.gpus import GpuReading
from airloop.errors import UnreachableError
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution import accounting as account
from airloop.execution.accounting import accounted
from airloop.execution.context import StepContext
from airloop.registry import tracking
from airloop.steps import evaluate, register, train
from airloop.steps import study as studies
from airloop.steps import trials as trial_steps
from airloop.training import pipeline
from tests.integration.training.test_train_evaluate_register import (  # noqa: F401
    World,
    world,
)
from tests.integration.training.test_tuning import TUNING, respec

KEY = "train:lateness:t1"


class OneGpu:
    """A GPU of the step's own, three quarters busy."""

    def read(self, pids: Any) -> list[GpuReading]:
        return [GpuReading(2 << 30, 0.75)]


def run(world: World, step: str, module: Any, key: str, **fields: Any) -> Any:
    request = module.Request(fence=world.ledger.begin_attempt(key), **fields)
    return accounted(step, request, world.context(), module.run)


def made(world: World) -> Any:
    candidate = run(world, "train", train, KEY, model="lateness").candidate
    key = f"lateness:{candidate.run_id}"
    report = run(world, "evaluate", evaluate, f"evaluate:{key}", candidate=candidate).report
    fields = {"candidate": candidate, "report": report}
    return run(world, "register", register, f"register:{key}", **fields).version


def test_the_run_and_the_version_say_what_they_cost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "find_gpus", lambda asked: OneGpu())
    version = made(world)
    bill = total(world.ledger.usage(run_id=version.run_id))
    assert (bill.version, bill.steps) == (
        version.version,
        {"train": 1, "evaluate": 1, "register": 1},
    )
    assert bill.gpu_seconds == pytest.approx(bill.wall_seconds)
    assert bill.cpu_seconds > 0
    assert bill.peak_host_bytes > 50 << 20
    client = tracking.client(world.settings)
    metrics = client.get_run(version.run_id).data.metrics
    assert metrics["usage/gpu_seconds"] == bill.gpu_seconds
    assert metrics["usage/cpu_seconds"] == bill.cpu_seconds
    assert metrics["usage/gpu_utilisation"] == pytest.approx(0.75)
    assert metrics["usage/peak_gpu_bytes"] == 2 << 30
    assert metrics["usage/peak_host_bytes"] == bill.peak_host_bytes
    tags = client.get_model_version("lateness", str(version.version)).tags
    assert float(tags["airloop.usage.gpu_seconds"]) == pytest.approx(bill.gpu_seconds, rel=1e-5)
    assert float(tags["airloop.usage.peak_host_bytes"]) > 50 << 20


def test_attempts_that_failed_are_on_the_bill(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any) -> None:
        raise RuntimeError("the worker is lost")

    with monkeypatch.context() as patched:
        patched.setattr(pipeline, "fit", crash)
        with pytest.raises(RuntimeError):
            run(world, "train", train, KEY, model="lateness")
    version = made(world)
    rows = world.ledger.usage(run_id=version.run_id)
    assert sorted((row.step, row.token, row.outcome) for row in rows) == [
        ("evaluate", 1, "ok"),
        ("register", 1, "ok"),
        ("train", 1, "failed"),
        ("train", 2, "ok"),
    ]
    again = run(world, "train", train, KEY, model="lateness")  # asked once more: found, not trained
    assert again.candidate.run_id == version.run_id
    assert total(world.ledger.usage(run_id=version.run_id)).steps["train"] == 3


def test_whoever_trains_pays_for_the_search(world: World) -> None:
    respec(world, tuning={**TUNING, "trials": 2})
    found = run(world, "study", studies, "study:lateness:t1", model="lateness")
    for worker, share in enumerate(found.shares):
        fields = {"model": "lateness", "study": found.study, "until": found.until}
        key = f"trials:{found.study}:{worker}"
        run(world, "trials", trial_steps, key, worker=worker, share=share, **fields)
    trained = run(world, "train", train, KEY, model="lateness", study=found.study)
    bill = total(world.ledger.usage(run_id=trained.candidate.run_id))
    assert bill.steps == {"study": 1, "trials": 2, "train": 1}


def test_bookkeeping_never_undoes_what_a_step_did(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: Any) -> None:
        raise UnreachableError("MLflow does not answer")

    monkeypatch.setattr(account, "_publish", away)
    result: StepResult = run(world, "train", train, KEY, model="lateness")
    assert isinstance(result, train.Result)
    assert "the run does not show what it used: MLflow does not answer" in caplog.text


@pytest.mark.parametrize(("keeper", "rows"), [("parent", 0), ("another", 1), (None, 1)])
def test_a_step_that_a_step_started_is_counted_once(
    world: World, monkeypatch: pytest.MonkeyPatch, keeper: str | None, rows: int
) -> None:
    number = {"parent": os.getppid(), "another": 2**30}.get(str(keeper))
    if number is not None:
        monkeypatch.setenv(account.KEEPER, str(number))
    request = StepRequest(fence=world.ledger.begin_attempt("segments:plan:0"))
    seen: list[str | None] = []

    def body(request: StepRequest, context: StepContext) -> StepResult:
        seen.append(os.environ.get(account.KEEPER))
        return StepResult()

    accounted("segments", request, world.context(), body)
    assert len(world.ledger.usage()) == rows
    assert seen == [str(os.getppid() if keeper == "parent" else os.getpid())]
