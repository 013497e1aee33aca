"""Drift on 2013-07-01, nothing on other days."""

from airloop.contracts import Decision, DriftReport, Trigger
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext
from airloop.vocabulary import Triage


class Request(StepRequest):
    model: str
    partition: str


class Result(StepResult):
    report: DriftReport
    decision: Decision
    trigger: Trigger | None
    created: bool


def run(request: Request, context: StepContext) -> Result:
    drift = request.partition == "2013-07-01"
    report = DriftReport(
        model=request.model,
        partition=request.partition,
        reference_rows=1000,
        current_rows=800,
        features=(),
        triage=Triage.DRIFT if drift else Triage.NOTHING,
        reason="summer" if drift else "nothing that matters",
        report_uri=f"{context.settings.reports_uri}/drift/{request.partition}.html",
    )
    decision = context.ledger.record_decision(
        entity=request.model,
        topic="retraining",
        action="retrain" if drift else "wait",
        reason=report.reason,
        id=f"{request.model}:{request.partition}",
    )
    trigger, created = None, False
    if drift:
        trigger, created = context.ledger.emit_trigger(
            model=request.model,
            cause="drift",
            dedup_key=request.partition,
            reason=report.reason,
            partition=request.partition,
        )
    return Result(report=report, decision=decision, trigger=trigger, created=created)
