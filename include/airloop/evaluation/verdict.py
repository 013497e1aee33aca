"""The gates' verdict, written down: in the ledger, which decides, and on the MLflow run, where people look."""

from __future__ import annotations

from airloop.contracts import Candidate, Decision, GateReport, Outcome
from airloop.errors import GateError
from airloop.ledger import Ledger
from airloop.registry import runs, tracking
from airloop.registry.champion import check_compared
from airloop.settings import Settings
from airloop.vocabulary import Action, Topic, TriggerState

ACTIONS = {
    Outcome.OK: Action.PASSED,
    Outcome.BAD: Action.REFUSED,
    Outcome.UNKNOWN: Action.UNDECIDED,
}


def record(
    report: GateReport, candidate: Candidate, ledger: Ledger, settings: Settings
) -> Decision:
    """Write a verdict down, once per candidate, champion and outcome; a no ends the candidate's trigger with it.

    :raises UnreachableError: if MLflow does not answer
    """
    decision = ledger.record_decision(
        entity=report.model,
        topic=Topic.GATE,
        action=ACTIONS[report.outcome],
        reason=report.reason,
        figures=figures(report),
        id=identity(report),
        ends=_ended(report, candidate),
    )
    tags = {"airloop.gates": decision.action.value, "airloop.gates.reason": report.reason}
    tags |= {
        f"airloop.gate.{one.name}": f"{one.outcome.value}: {one.reason}" for one in report.checks
    }
    with tracking.reaching(settings):
        client = tracking.client(settings)
        runs.set_tags(client, candidate.run_id, tags)
        client.log_text(candidate.run_id, report.model_dump_json(indent=1), "gates.json")
    return decision


def _ended(report: GateReport, candidate: Candidate) -> tuple[str, TriggerState] | None:
    if report.outcome is Outcome.OK or candidate.trigger_id is None:
        return None
    return candidate.trigger_id, TriggerState.REFUSED


def confirm(report: GateReport, ledger: Ledger) -> Decision:
    """The ledger's own record that this candidate passed, against the champion of this moment.

    :raises GateError: if the ledger holds no such verdict, or the champion has changed since
    """
    decision = ledger.decision(identity(report))
    where = f"run {report.run_id} of {report.model}"
    if decision is None or decision.action is not Action.PASSED or report.outcome is not Outcome.OK:
        raise GateError(
            "the ledger does not say that this candidate passed its gates",
            value=report.reason if decision is None else decision.reason,
            where=where,
            remedy="evaluate it first; a refused candidate stays refused",
        )
    current = ledger.current_deployment(report.model)
    check_compared(current, report.champion_version, f"the candidate of {where}")
    return decision


def identity(report: GateReport) -> str:
    """One verdict per candidate, champion and outcome: a repeated step writes nothing new."""
    return f"gate:{report.run_id}:{report.champion_version or 0}:{ACTIONS[report.outcome]}"


def figures(report: GateReport) -> dict[str, float | int | str | None]:
    """All checks' figures in one level, by the gate's name."""
    flat: dict[str, float | int | str | None] = {
        "run_id": report.run_id,
        "champion_version": report.champion_version,
    }
    for check in report.checks:
        flat[check.name] = check.outcome.value
        flat |= {f"{check.name}.{name}": value for name, value in check.figures.items()}
    return flat
