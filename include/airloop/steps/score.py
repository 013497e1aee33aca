"""The score step: batch predictions of one partition by the model that serves."""

from __future__ import annotations

from airloop.contracts import DatasetRef, Name, PartitionKey
from airloop.data.lake.lake import Lake
from airloop.errors import RequestError
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext
from airloop.registry.loader import load
from airloop.serving.scoring import score_partition


class Request(StepRequest):
    """Score this partition of the model's dataset."""

    model: Name
    partition: PartitionKey


class Result(StepResult):
    """The written partition of ``scores__<model>``."""

    table: DatasetRef
    model_version: int
    rows: int


def run(request: Request, context: StepContext) -> Result:
    """Score a partition with the champion; run again, it is replaced by itself.

    :raises RequestError: if no version serves yet
    :raises DataError: if the partition is not in the lake
    """
    deployment = context.ledger.current_deployment(request.model)
    if deployment is None:
        raise RequestError(
            "no version of this model serves yet",
            value=request.model,
            remedy="train and deploy one first",
        )
    model = load(deployment.artifact, context.settings)
    dataset = context.catalog.dataset_of(context.catalog.model(request.model))
    lake = Lake(context.settings)
    table = score_partition(
        lake, model, dataset, deployment, request.partition, request.fence, context.engine
    )
    return Result(table=table, model_version=deployment.version, rows=table.rows)
