"""Study: say whether this training looks for parameters first, and divide the trials among the workers."""

from __future__ import annotations

import logging
from typing import Any

from pydantic import AwareDatetime, Field

from airloop.contracts import Name, PartitionKey
from airloop.errors import RequestError
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext
from airloop.fields import Scalar
from airloop.registry import runs, tracking
from airloop.specs.model import ModelSpec
from airloop.specs.sections.tuning import ParameterName

log = logging.getLogger("airloop.tuning")


class Request(StepRequest):
    """Which training this is for."""

    model: Name
    until: PartitionKey | None = None
    #: The moment as of which the lake is read; None for now.
    as_of: AwareDatetime | None = None
    params: dict[ParameterName, Scalar] = Field(default={}, max_length=50)


class Result(StepResult):
    """The study and each worker's number of trials; without a study one worker has none to run."""

    study: str | None
    shares: tuple[int, ...]
    #: The last day of the window, which trials and training then share.
    until: PartitionKey
    reason: str


def run(request: Request, context: StepContext) -> Result:
    """Open a study where the policy says so.

    :raises DataError: if there are too few days
    :raises UnreachableError: if the tuning database or MLflow does not answer
    """
    from airloop.data import snapshot
    from airloop.data.cadence import check_cadence
    from airloop.data.lake.lake import Lake
    from airloop.data.unsound import sound
    from airloop.training.tuning import policy

    model = context.catalog.model(request.model)
    if model.tuning is None:
        raise RequestError("the model's spec has no tuning", value=model.name)
    dataset = context.catalog.dataset(model.dataset)
    there = check_cadence(Lake(context.settings), dataset, request.as_of)
    there = sound(context.ledger, model, dataset, there, request.as_of)
    day = snapshot.choose_days(model, dataset, there, request.until).all[-1]
    wanted, reason = policy.due(context.ledger, model, day)
    given = sorted(set(request.params) & set(model.tuning.space))
    if wanted and given:
        wanted, reason = False, f"this run sets {', '.join(given)} itself"
    log.info("%s: %s", "tuning" if wanted else "no tuning", reason)
    if not wanted:
        return Result(study=None, shares=(0,), until=day, reason=reason)
    name = request.fence.key
    _open(context, model, name, reason)
    trials, workers = model.tuning.trials, min(model.tuning.parallel, model.tuning.trials)
    shares = tuple(len(range(worker, trials, workers)) for worker in range(workers))
    return Result(study=name, shares=shares, until=day, reason=reason)


def _open(context: StepContext, model: ModelSpec, name: str, reason: str) -> None:
    """Make the study and its MLflow run, once: another attempt finds both."""
    from airloop.training.tuning import study as studies
    from airloop.training.tuning.trials import RUN

    study = studies.open_study(context.settings, model, name, seed=0)
    if RUN in study.user_attrs:
        return
    client = tracking.client(context.settings)
    with tracking.reaching(context.settings):
        experiment = runs.experiment(client, model.name)
        runs.close_unfinished(client, experiment, name)
        tags: dict[str, Any] = {
            runs.KEY: name,
            "airloop.study": name,
            "airloop.reason": reason,
        }
        made = client.create_run(experiment, run_name=f"tuning {model.name}", tags=tags)
    study.set_user_attr(RUN, made.info.run_id)
