"""What may be delivered, as the ledger has it. MLflow's versions and tags are shown to people; they prove nothing."""

from __future__ import annotations

import hashlib
import json

from airloop.contracts import Candidate, Decision, GateReport, ModelVersion, Outcome
from airloop.errors import GateError
from airloop.ledger import Ledger
from airloop.registry.champion import check_compared
from airloop.registry.models import delivered
from airloop.vocabulary import Action, Topic

ACTIONS = {
    Outcome.OK: Action.PASSED,
    Outcome.BAD: Action.REFUSED,
    Outcome.UNKNOWN: Action.UNDECIDED,
}
#: The figures of a decision that name the artifact that was judged, the one that may be delivered, and the rows.
JUDGED, DELIVERS, ROWS = "judged", "delivers", "judged_on"
#: Trainings looked through for that of a run.
_HISTORY = 10_000


def identity(run_id: str, champion: int | None, outcome: Outcome) -> str:
    """One verdict per candidate, champion and outcome: a repeated step writes nothing new."""
    return f"gate:{run_id}:{champion or 0}:{ACTIONS[outcome]}"


def rows_of(candidate: Candidate) -> str:
    """A digest of the rows that a candidate is judged on: its snapshot, and which of its partitions are held out."""
    files = [candidate.dataset.integrity] if candidate.dataset.integrity else []
    told = json.dumps([candidate.dataset.digest, *files, *candidate.holdout])
    return "sha256:" + hashlib.sha256(told.encode()).hexdigest()


def bound(candidate: Candidate, report: GateReport) -> dict[str, float | int | str | None]:
    """What a verdict is about: which artifact, on which rows, and what of it may be delivered."""
    judged = candidate.artifact.digest
    delivers = (report.delivers or judged) if report.outcome is Outcome.OK else None
    return {JUDGED: judged, ROWS: rows_of(candidate), DELIVERS: delivers}


def as_recorded(report: GateReport, decision: Decision) -> GateReport:
    """A report with what the ledger says may be delivered; the guard may have answered otherwise this time."""
    figures = decision.figures
    if report.outcome is not Outcome.OK or figures.get(DELIVERS) in (None, report.delivers):
        return report
    guard = figures.get("guard")
    told = {"delivers": figures[DELIVERS], "guard": str(guard) if guard else report.guard}
    return report.model_copy(update=told)


def confirm(report: GateReport, candidate: Candidate, ledger: Ledger) -> Decision:
    """The ledger's own record that this candidate passed, on these rows, against the champion of this moment.

    :raises GateError: if the ledger holds no such verdict, or the champion has changed since
    """
    where = f"run {report.run_id} of {report.model}"
    passed = _passed(ledger, report.model, report.run_id, report.champion_version)
    if passed is None or report.outcome is not Outcome.OK or candidate.run_id != report.run_id:
        raise _unproven("this candidate passed its gates", report.reason, where)
    rows = passed.figures.get(ROWS, rows_of(candidate))
    if candidate.artifact.digest != _judged(ledger, passed) or rows != rows_of(candidate):
        what = "this candidate, with these bytes and on these rows, passed its gates"
        raise _unproven(what, candidate.artifact.digest, where)
    artifact = delivered(candidate, report).digest
    if artifact != passed.figures.get(DELIVERS, candidate.artifact.digest):
        raise _unproven("this artifact of the run may be delivered", artifact, where)
    current = ledger.current_deployment(report.model)
    check_compared(current, report.champion_version, f"the candidate of {where}")
    return passed


def prove(version: ModelVersion, ledger: Ledger) -> Decision:
    """The ledger's own record that a version's run passed its gates, against the champion it names, with these bytes.

    :raises GateError: if the ledger holds no such verdict
    """
    where = f"version {version.version} of {version.model}, run {version.run_id}"
    passed = _passed(ledger, version.model, version.run_id, version.champion_version)
    if passed is None:
        raise _unproven("this version's run passed its gates", _said(ledger, version), where)
    if version.artifact.digest != (passed.figures.get(DELIVERS) or _judged(ledger, passed)):
        raise _unproven("these bytes passed the gates", version.artifact.digest, where)
    return passed


def _passed(ledger: Ledger, model: str, run_id: str, champion: int | None) -> Decision | None:
    decision = ledger.decision(identity(run_id, champion, Outcome.OK))
    if decision is None or (decision.entity, decision.action) != (model, Action.PASSED):
        return None
    if not ledger.proves(decision):
        raise GateError(
            "the verdict on this run is not the ledger's: its row was put there past Airloop, or edited",
            value=decision.id,
            where=f"run {run_id} of {model}",
            remedy="`airloop audit verify` names all that was done; a row of an older Airloop's is accepted by "
            "`airloop audit anchor --accept`",
        )
    refused = ledger.decision(identity(run_id, champion, Outcome.BAD))
    # Judged again and refused, by stricter gates: the yes of before is no longer the ledger's word.
    if refused is not None and refused.entity == model and refused.at > decision.at:
        return None
    return decision


def _judged(ledger: Ledger, passed: Decision) -> str | None:
    """The digest that was judged; where the verdict does not name it, as those of 0.1, the run's training does."""
    if named := passed.figures.get(JUDGED):
        return str(named)
    run = passed.figures.get("run_id")
    for trained in ledger.decisions(passed.entity, Topic.CANDIDATE, _HISTORY):
        if trained.figures.get("run_id") == run:
            return str(trained.figures["digest"])
    return None


def _said(ledger: Ledger, version: ModelVersion) -> str:
    """What the ledger does say of a version's run."""
    for outcome in (Outcome.BAD, Outcome.UNKNOWN):
        found = ledger.decision(identity(version.run_id, version.champion_version, outcome))
        if found is not None and found.entity == version.model:
            return f"{found.action}: {found.reason}"
    against = f"version {version.champion_version}" if version.champion_version else "no champion"
    return f"no verdict on run {version.run_id} against {against}"


def _unproven(what: str, value: object, where: str) -> GateError:
    return GateError(
        f"the ledger does not say that {what}",
        value=value,
        where=where,
        remedy="what MLflow shows is no proof: train, and let the gates judge; a refused candidate stays refused",
    )
