"""One gate: roc_auc of at least 0.6."""

from airloop.contracts import Candidate, Check, GateReport, Outcome
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext
from airloop.vocabulary import TriggerState


class Request(StepRequest):
    candidate: Candidate


class Result(StepResult):
    report: GateReport


def run(request: Request, context: StepContext) -> Result:
    auc = request.candidate.metrics["roc_auc"]
    outcome = Outcome.OK if auc >= 0.6 else Outcome.BAD
    if outcome is Outcome.BAD and request.candidate.trigger_id:
        context.ledger.finish_trigger(request.candidate.trigger_id, TriggerState.REFUSED)
    check = Check(name="absolute", outcome=outcome, reason=f"roc_auc {auc} against 0.6")
    return Result(
        report=GateReport(
            model=request.candidate.model,
            run_id=request.candidate.run_id,
            champion_version=None,
            checks=(check,),
        )
    )
