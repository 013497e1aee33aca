"""Refuses 2013-01-05, quarantines a row of 2013-01-06."""

import logging

from include.contracts import Check, DatasetRef, Outcome, ValidationReport
from include.errors import DataError, UnreachableError
from include.steps.base import StepContext, StepRequest, StepResult

log = logging.getLogger("airloop.ingest")


class Request(StepRequest):
    dataset: str
    partition: str


class Result(StepResult):
    dataset: DatasetRef
    report: ValidationReport


def run(request: Request, context: StepContext) -> Result:
    log.info("fetching %s", request.partition)
    if request.partition == "2013-01-05":
        raise DataError("the column carrier is missing", where=f"flights, {request.partition}")
    if request.partition == "2013-01-07":
        raise UnreachableError("the source does not answer", where=f"flights, {request.partition}")
    report = ValidationReport(
        dataset=request.dataset,
        partition=request.partition,
        outcome=Outcome.OK,
        checks=(Check(name="rows", outcome=Outcome.OK, reason="842 rows"),),
        rows=842,
        quarantined=int(request.partition == "2013-01-06"),
        docs_uri=f"{context.settings.reports_uri}/validation/flights/{request.partition}.html",
    )
    ref = DatasetRef(
        name=request.dataset,
        uri=f"{context.settings.lake_uri}/flights",
        version=3,
        partitions=(request.partition,),
        rows=842,
        digest="sha256:" + "0" * 64,
    )
    return Result(dataset=ref, report=report)
