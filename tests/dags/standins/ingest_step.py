"""Refuses 2013-01-05, quarantines a row of 2013-01-06."""

import logging

from airloop.contracts import Check, Contract, DatasetRef, Outcome, ValidationReport
from airloop.errors import DataError, UnreachableError
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext

log = logging.getLogger("airloop.ingest")


class Request(StepRequest):
    dataset: str
    partition: str | None = None
    partitions: tuple[str, ...] = ()


class Ingested(Contract):
    partition: str
    dataset: DatasetRef
    report: ValidationReport


class Result(StepResult):
    dataset: DatasetRef
    report: ValidationReport
    partitions: tuple[Ingested, ...]


def run(request: Request, context: StepContext) -> Result:
    days = request.partitions or (request.partition or "",)
    done = tuple(ingest(request.dataset, day, context) for day in days)
    return Result(dataset=done[-1].dataset, report=done[-1].report, partitions=done)


def ingest(name: str, day: str, context: StepContext) -> Ingested:
    log.info("fetching %s", day)
    docs = f"file://{context.settings.reports_uri}/data_docs/{name}/{day}/attempt-1.html"
    if day == "2013-01-05":
        raise DataError("the column carrier is missing", where=docs)
    if day == "2013-01-07":
        raise UnreachableError("the source does not answer", where=f"{name}, {day}")
    report = ValidationReport(
        dataset=name,
        partition=day,
        outcome=Outcome.OK,
        checks=(Check(name="rows", outcome=Outcome.OK, reason="842 rows"),),
        rows=842,
        quarantined=int(day == "2013-01-06"),
        docs_uri=docs,
    )
    ref = DatasetRef(
        name=name,
        uri=f"{context.settings.lake_uri}/{name}",
        version=3,
        partitions=(day,),
        rows=842,
        digest="sha256:" + "0" * 64,
    )
    return Ingested(partition=day, dataset=ref, report=report)
