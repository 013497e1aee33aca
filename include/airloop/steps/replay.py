"""The step ``replay``: what each way to decide would have been worth on the lake's history."""

from __future__ import annotations

import logging
import os

from airloop.contracts import Name
from airloop.data.lake.lake import Lake
from airloop.errors import DataError
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext
from airloop.paths import home_folder
from airloop.replay import past as pasts
from airloop.replay.account import Account
from airloop.replay.page import summary
from airloop.replay.replay import Asked, opening
from airloop.replay.whole import keep, replayed
from airloop.vocabulary import Action, Topic

log = logging.getLogger("airloop.replay")
#: Lines of progress in the log.
_LINES = 20


class Request(StepRequest):
    """The model whose past is played, and under which policies; under all without a name."""

    model: Name
    policies: tuple[str, ...] = ()


class Result(StepResult):
    """What was found; no page where there is too little history yet, and why."""

    reason: str
    page: str | None = None


def run(request: Request, context: StepContext) -> Result:
    """Replay all there is; what was fitted before is not fitted again.

    :raises RequestError: if the dataset has no days
    :raises TransientError: if the lake, the ledger or the store of the reports cannot be used now
    """
    spec, dataset = context.catalog.pair(request.model)
    if not Lake(context.settings).partitions(dataset.name):
        return Result(reason=f"the lake holds nothing of {dataset.name} yet")
    past = pasts.read(context.settings, spec, dataset)
    try:
        opening(past)
    except DataError as error:
        return Result(reason=str(error))
    asked = Asked(context.settings, spec, dataset, home_folder() / "replay" / spec.name)

    def tell(done: int, total: int, what: str) -> None:
        if done % max(1, total // _LINES) == 0 or done == total:
            log.info("%d of %d: %s", done, total, what)

    # Half of the cores, and those only while nobody else wants them: what serves and what trains goes on beside it.
    os.nice(10)
    cores = max(1, (os.cpu_count() or 2) // 2)
    found = replayed(asked, past, request.policies, cores=cores, tell=tell)
    context.ledger.check_fence(request.fence)
    page = keep(context.settings, found)
    _record(context, request, found)
    return Result(reason=summary(found), page=page)


def _record(context: StepContext, request: Request, found: Account) -> None:
    """What the page and `airloop status` point to."""
    proposed = f"; {found.proposal.sentence}" if found.proposal else ""
    best = found.row(found.best)
    context.ledger.record_decision(
        entity=found.model,
        topic=Topic.REPLAY,
        action=Action.MEASURED,
        reason=f"{summary(found)}{proposed}",
        figures={
            "nights": found.nights,
            "best": found.best,
            found.metric: best.primary,
            "trainings": best.trainings,
        },
        id=f"{request.fence.key}:{request.fence.token}",
    )
