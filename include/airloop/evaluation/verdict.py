"""The gates' verdict, written down: in the ledger, which decides, and on the MLflow run, where people look."""

from __future__ import annotations

from airloop.contracts import Candidate, GateReport, Outcome
from airloop.evaluation.warrant import ACTIONS, as_recorded, bound, identity
from airloop.ledger import Ledger
from airloop.registry import runs, tracking
from airloop.settings import Settings
from airloop.vocabulary import Topic, TriggerState


def record(
    report: GateReport, candidate: Candidate, ledger: Ledger, settings: Settings
) -> GateReport:
    """Write a verdict down, once per candidate, champion and outcome; a no ends the candidate's trigger with it.

    :returns: the report with what may be delivered as the ledger has it: a step that is repeated says what it said first
    :raises UnreachableError: if MLflow does not answer
    """
    decision = ledger.record_decision(
        entity=report.model,
        topic=Topic.GATE,
        action=ACTIONS[report.outcome],
        reason=report.reason,
        figures=bound(candidate, report) | figures(report) | {"trigger": candidate.trigger_id},
        id=identity(report.run_id, report.champion_version, report.outcome),
        ends=_ended(report, candidate),
    )
    report = as_recorded(report, decision)
    tags = {"airloop.gates": decision.action.value, "airloop.gates.reason": report.reason}
    tags |= {"airloop.refit": report.guard}
    tags |= {
        f"airloop.gate.{one.name}": f"{one.outcome.value}: {one.reason}" for one in report.checks
    }
    with tracking.reaching(settings):
        client = tracking.client(settings)
        runs.set_tags(client, candidate.run_id, tags)
        client.log_text(candidate.run_id, report.model_dump_json(indent=1), "gates.json")
    return report


def _ended(report: GateReport, candidate: Candidate) -> tuple[str, TriggerState] | None:
    if report.outcome is Outcome.OK or candidate.trigger_id is None:
        return None
    return candidate.trigger_id, TriggerState.REFUSED


def figures(report: GateReport) -> dict[str, float | int | str | None]:
    """All checks' figures in one level, by the gate's name."""
    flat: dict[str, float | int | str | None] = {
        "run_id": report.run_id,
        "champion_version": report.champion_version,
        "refitted": report.refitted,
        "guard": report.guard,
    }
    for check in report.checks:
        flat[check.name] = check.outcome.value
        flat |= {f"{check.name}.{name}": value for name, value in check.figures.items()}
    return flat
