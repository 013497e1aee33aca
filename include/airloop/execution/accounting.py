"""Every step's account: measured while it runs, kept in the ledger, summed up on its MLflow run and version."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

import psutil

from airloop.accounting.figures import CostSummary, Usage, total
from airloop.accounting.gpus import find_gpus
from airloop.accounting.host import HostUse, own_cgroup
from airloop.accounting.meter import Meter
from airloop.contracts import Candidate, ModelVersion
from airloop.errors import AirloopError, RequestError
from airloop.exchange import keys
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext

log = logging.getLogger("airloop.accounting")

Q = TypeVar("Q", bound=StepRequest)
R = TypeVar("R", bound=StepResult)

#: Set for what a step starts: the number of the process in whose account its descendants stand.
KEEPER = "AIRLOOP_ACCOUNT_KEEPER"
#: The steps that make a version: after each, the run's figures are put together anew.
MAKING = ("train", "evaluate", "register")


def accounted(
    step: str, request: Q, context: StepContext, body: Callable[[Q, StepContext], R]
) -> R:
    """Run a step's body and account for it, unless the step that started this one does so already."""
    if _kept():
        return body(request, context)
    with metered(step, request, context):
        result = body(request, context)
    try:
        _conclude(step, request, result, context)
    except AirloopError as error:  # the step has done its work: this is no reason to do it again
        log.warning("the run does not show what it used: %s", error)
    return result


@contextmanager
def metered(step: str, request: StepRequest, context: StepContext) -> Iterator[None]:
    """Account for what happens meanwhile; also for a pod that only helps another with the step."""
    entity = entity_of(request)
    run_id, version = belongs(request, None)
    usage = Usage(
        key=request.fence.key,
        token=request.fence.token,
        part=int(os.environ.get("JOB_COMPLETION_INDEX", "0")),
        step=step,
        entity=entity,
        run_id=run_id,
        version=version,
        at=datetime.now(UTC),
    )
    gpus = find_gpus(_asked(step, entity, context))
    os.environ[KEEPER] = str(os.getpid())
    try:
        with Meter(usage, context.ledger.record_usage, host=HostUse(own_cgroup()), gpus=gpus):
            yield
    finally:
        del os.environ[KEEPER]


def _kept() -> bool:
    """Whether this process is in the tree of one that keeps an account; a fork of the step host is not."""
    keeper = os.environ.get(KEEPER)
    return keeper is not None and any(
        parent.pid == int(keeper) for parent in psutil.Process().parents()
    )


def entity_of(request: StepRequest) -> str:
    """The model that a step is about, or the dataset."""
    for name in ("candidate", "version"):
        if (about := getattr(request, name, None)) is not None:
            return str(about.model)
    return str(getattr(request, "model", None) or getattr(request, "dataset", ""))


def belongs(request: StepRequest, result: StepResult | None) -> tuple[str | None, int | None]:
    """The MLflow run and the version that a step worked on or made."""
    for place in (result, request):
        version = getattr(place, "version", None)
        if isinstance(version, ModelVersion):
            return version.run_id, version.version
    for place in (result, request):
        candidate = getattr(place, "candidate", None)
        if isinstance(candidate, Candidate):
            return candidate.run_id, None
    return None, getattr(result, "model_version", None)


def _asked(step: str, entity: str, context: StepContext) -> int:
    try:
        resources = context.catalog.model(entity).resources
    except RequestError:  # it is about a dataset
        return 0
    placed = "segments" if step == "segment_worker" else step
    return resources.gpu if placed in resources.steps else 0


def _conclude(step: str, request: StepRequest, result: StepResult, context: StepContext) -> None:
    run_id, version = belongs(request, result)
    if run_id is None and version is None:
        return
    if step == "train":
        _assign_training(request, run_id, context)
    else:
        context.ledger.assign_usage(request.fence.key, run_id=run_id, version=version)
    if run_id is None or step not in MAKING:
        return
    summary = total(context.ledger.usage(run_id=run_id))
    _publish(summary, run_id, context)


def _assign_training(request: StepRequest, run_id: str | None, context: StepContext) -> None:
    """Whoever trains pays for what was done before it: the search, the segments."""
    ledger, text = context.ledger, request.fence.key
    key = keys.Train.parse(text)
    study, plan = getattr(request, "study", None), getattr(request, "plan", None)
    before = (str(key.study),) if key else ()
    prefix = keys.Trials.prefix(study) if study else None
    ledger.assign_usage(text, *before, prefix=prefix, run_id=run_id)
    if plan is not None:
        before = (str(key.divide),) if key else ()
        ledger.assign_usage(*before, prefix=keys.Segments.prefix(plan), run_id=run_id)


def _publish(summary: CostSummary, run_id: str, context: StepContext) -> None:
    """Metrics of the run, whose step is the number of attempts behind them; tags of the version."""
    from airloop.registry import models, runs, tracking

    figures = {
        "gpu_seconds": summary.gpu_seconds,
        "cpu_seconds": summary.cpu_seconds,
        "wall_seconds": summary.wall_seconds,
        "peak_host_bytes": float(summary.peak_host_bytes),
        "peak_gpu_bytes": float(summary.peak_gpu_bytes),
        "attempts": float(summary.attempts),
    }
    if summary.gpu_utilisation is not None:
        figures["gpu_utilisation"] = summary.gpu_utilisation
    client = tracking.client(context.settings)
    with tracking.reaching(context.settings):
        named = {f"usage/{name}": value for name, value in figures.items()}
        runs.log_metrics(client, run_id, named, step=summary.attempts)
    if summary.version is not None:
        tags = {f"airloop.usage.{name}": f"{value:.6g}" for name, value in figures.items()}
        models.tag_version(summary.entity, summary.version, tags, settings=context.settings)
