"""The step ``ingest``: fetch, validate, quarantine and commit partitions, each one on its own."""

from __future__ import annotations

from pydantic import model_validator

from airloop.alerts.refusals import refuse
from airloop.contracts import DatasetRef, Fence, Name, PartitionKey, ValidationReport
from airloop.data.cadence import check_cadence, check_keys
from airloop.data.corrections import put_down
from airloop.data.ingestion import Ingested, ingest
from airloop.data.lake.lake import Lake
from airloop.data.sweeping import sweep_daily
from airloop.errors import DataError
from airloop.exchange.keys import Ingest
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext
from airloop.specs.dataset import DatasetSpec


class Request(StepRequest):
    """One partition, or several: then each gets a fence of its own, begun here."""

    dataset: Name
    partition: PartitionKey | None = None
    partitions: tuple[PartitionKey, ...] = ()

    @model_validator(mode="after")
    def _names_partitions(self) -> Request:
        if (self.partition is None) == (not self.partitions):
            raise ValueError("name either partition or partitions")
        return self


class Result(StepResult):
    """``dataset`` pins all partitions of the request; ``report`` is the last one's."""

    dataset: DatasetRef
    report: ValidationReport
    partitions: tuple[Ingested, ...] = ()


def run(request: Request, context: StepContext) -> Result:
    """Ingest the partitions in their order; one that is refused does not stop the others.

    Running it again changes nothing where the rows are the same.

    :raises DataError: naming what was refused and why; of that nothing is visible
    :raises SupersededError: if a newer attempt took a partition over
    :raises TransientError: if the source, the lake or the ledger cannot be used now
    """
    spec = context.catalog.dataset(request.dataset)
    keys = request.partitions or (request.partition or "",)
    lake = Lake(context.settings)
    check_cadence(lake, spec)
    check_keys(lake, spec)
    done: list[Ingested] = []
    refused: list[DataError] = []
    for key in keys:
        alone = request.partition is not None
        fence = request.fence if alone else _begin(context, spec, key)
        try:
            done.append(ingest(context, lake, spec, key, fence, page=key == keys[-1]))
        except DataError as error:
            identity = f"{fence.key}:{fence.token}:refuse"
            refuse(context.settings, context.ledger, spec.name, key, error, identity)
            refused.append(error)
    put_down(lake, context.ledger, spec.name, set(keys))
    if len(refused) == 1 and len(keys) == 1:
        raise refused[0]
    if refused:
        raise DataError(
            f"{len(refused)} of {len(keys)} partitions refused: "
            + "; ".join(str(error) for error in refused),
            where=f"dataset {spec.name}",
        )
    sweep_daily(context.settings, context.ledger, spec.name)
    whole = lake.snapshot(spec.name, keys)
    return Result(dataset=whole, report=done[-1].report, partitions=tuple(done))


def _begin(context: StepContext, spec: DatasetSpec, key: str) -> Fence:
    return context.ledger.begin_attempt(str(Ingest(spec.name, key)))
