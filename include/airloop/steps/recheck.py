"""The step ``recheck``: ask the source again for partitions that have been, or should have been, ingested before."""

from __future__ import annotations

import hashlib
import logging
from itertools import chain

from pydantic import AwareDatetime, Field

from airloop.alerts.refusals import gone, refuse
from airloop.contracts import Name, PartitionKey
from airloop.data.cadence import check_cadence
from airloop.data.corrections import put_down
from airloop.data.ingestion import ingest, judge
from airloop.data.lake.lake import Lake
from airloop.data.publication import Content
from airloop.data.sources.reading import read_partition
from airloop.data.validation.quarantine import bring_up
from airloop.errors import AbsentError, DataError
from airloop.exchange.keys import Ingest
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext
from airloop.specs.dataset import DatasetSpec

log = logging.getLogger("airloop.recheck")


class Request(StepRequest):
    """Which partitions, and since when what becomes of them is this run's work."""

    dataset: Name
    partitions: tuple[PartitionKey, ...] = Field(min_length=1)
    since: AwareDatetime


class Result(StepResult):
    """What was found. A partition that is as it was has no new version, and stands in none of these."""

    #: Those with a new version: corrected, or come late.
    changed: tuple[PartitionKey, ...]
    #: What was refused, or is gone, and was not told before.
    trouble: tuple[str, ...]
    #: How many were looked at.
    looked_at: int


def run(request: Request, context: StepContext) -> Result:
    """Look at the partitions in their order; one that is refused or gone leaves the lake as it is, and the others go on.

    :raises SupersededError: if a newer attempt took a partition over
    :raises TransientError: if the source, the lake or the ledger cannot be used now
    """
    spec = context.catalog.dataset(request.dataset)
    lake = Lake(context.settings)
    there = set(check_cadence(lake, spec))
    bring_up(lake, spec.name)
    trouble: list[str] = []
    for key in request.partitions:
        try:
            _look(context, spec, lake, key)
        except DataError as error:
            if isinstance(error, AbsentError) and key not in there:
                log.info("%s: still not at the source", key)
            elif told := _tell(context, spec, lake, key, error):
                trouble.append(told)
    new = put_down(lake, context.ledger, spec.name, set(request.partitions), request.since)
    return Result(
        changed=tuple(sorted({one.partition for one in new})),
        trouble=tuple(trouble),
        looked_at=len(request.partitions),
    )


def _look(context: StepContext, spec: DatasetSpec, lake: Lake, key: str) -> None:
    """One partition. An attempt begins only where there is something to commit: the log stays as it is otherwise.

    It reads the source anew: what was read before it began, another attempt may have overtaken.
    """
    batches = (one for one in read_partition(spec, key) if len(one))
    first = next(batches, None)
    if first is None:
        raise AbsentError("the source has no rows of this partition", value=key, where=spec.name)
    validated = judge(spec, key, chain((first,), batches))
    fence_key = str(Ingest(spec.name, key))
    if not Content.of(spec, key, validated).is_settled(lake, context.ledger, fence_key):
        fence = context.ledger.begin_attempt(fence_key)
        ingest(context, lake, spec, key, fence, page=False)


def _tell(
    context: StepContext, spec: DatasetSpec, lake: Lake, key: str, error: DataError
) -> str | None:
    """Put down and announce what was found; None where this very thing was told before."""
    log.warning("%s: %s", key, error)
    about = f"{lake.partition_digest(spec.name, key)} {error.what}"
    identity = f"recheck:{spec.name}:{key}:{hashlib.sha256(about.encode()).hexdigest()[:16]}"
    if context.ledger.decision(identity) is not None:
        return None
    tell = gone if isinstance(error, AbsentError) else refuse
    return tell(context.settings, context.ledger, spec.name, key, error, identity).reason
