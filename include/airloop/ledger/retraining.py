"""The retraining policy: what a night's findings lead to. Asking costs nothing, training does.

The clock of cooldown and budget is the data's own, the partition's date, so that a backfill of old
nights spends what those nights would have spent, in any order. Every answer is recorded, "no" too.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy import Connection

from airloop.contracts import Action, Decision, DriftReport, Outcome, Triage, Trigger
from airloop.ledger import attempts, decisions, triggers
from airloop.ledger.ledger import Ledger
from airloop.specs.model import RetrainingSpec

#: What cooldown and budget count: the trainings the loop started by itself.
AUTOMATIC = ("drift", "performance")
#: A training unfinished for longer, by the wall clock, has died without a word and blocks no more.
LOST_AFTER = timedelta(days=2)

Answer = tuple[Action, str]


def decide(
    ledger: Ledger, spec: RetrainingSpec, report: DriftReport, *, now: datetime
) -> tuple[Decision, Trigger | None]:
    """Answer a night: retrain, wait or alert; record the answer, and emit the trigger with it.

    A night asked about again, with the same verdict, gets the answer it got, and the same trigger.

    :param now: the wall clock
    """
    identity = _identity(report)
    with ledger.transaction() as connection:
        # Two nights must not both find the budget unspent: deciding goes one model at a time.
        attempts.alone(connection, f"retraining:{report.model}")
        if earlier := decisions.by_id(connection, identity):
            return earlier, _trigger_of(connection, earlier, report)
        action, reason = _answer(connection, spec, report, now)
        trigger = None
        if action is Action.RETRAIN:
            trigger, _ = triggers.emit(
                connection,
                model=report.model,
                cause=_cause(report),
                dedup_key=dedup_key(report),
                reason=report.reason,
                partition=report.partition,
                at=now,
            )
        decision = Decision(
            id=identity,
            model=report.model,
            subject="retraining",
            action=action,
            reason=reason,
            figures=_figures(report),
            at=now,
        )
        return decisions.record(connection, decision), trigger


def dedup_key(report: DriftReport) -> str:
    """One training per night, whatever its cause and however often the night is replayed."""
    return f"night:{report.partition}"


def _identity(report: DriftReport) -> str:
    """One answer per night and verdict: a night whose data were mended may be judged anew."""
    return f"retraining:{report.model}:{report.partition}:{report.triage}"


def _answer(
    connection: Connection, spec: RetrainingSpec, report: DriftReport, now: datetime
) -> Answer:
    if report.triage is Triage.INCIDENT:
        return Action.ALERT, f"data incident, no model learns from it: {report.reason}"
    if report.triage is Triage.UNKNOWN:
        return Action.WAIT, f"could not tell, so nothing follows: {report.reason}"
    if report.triage is not Triage.DRIFT:
        return Action.WAIT, f"nothing that matters: {report.reason}"
    if held := _held_back(connection, spec, report, now):
        return Action.WAIT, f"drift ({report.reason}), but {held}"
    return Action.RETRAIN, report.reason


def _held_back(
    connection: Connection, spec: RetrainingSpec, report: DriftReport, now: datetime
) -> str | None:
    """Why a night with drift does not train all the same."""
    model, night = report.model, date.fromisoformat(report.partition)
    if triggers.by_key(connection, model, dedup_key(report)):
        return f"{report.partition} has had its training"
    if flying := triggers.unfinished(connection, model, since=now - LOST_AFTER):
        return f"a training is in flight (trigger {flying[0].id}, {flying[0].cause})"
    if near := _within_cooldown(connection, spec, model, night):
        return f"within {spec.cooldown_days} days of the training of {near.partition}"
    spent = len(_of_month(connection, model, night))
    if spent >= spec.monthly_budget:
        return f"{spent} of {spec.monthly_budget} trainings of {night:%Y-%m} are spent"
    return None


def _within_cooldown(
    connection: Connection, spec: RetrainingSpec, model: str, night: date
) -> Trigger | None:
    """A training too near to this night, before it or (when nights come out of order) after it."""
    if spec.cooldown_days == 0:
        return None
    reach = timedelta(days=spec.cooldown_days - 1)
    first, last = (night - reach).isoformat(), (night + reach).isoformat()
    return next(iter(triggers.between(connection, model, first, last, AUTOMATIC)), None)


def _of_month(connection: Connection, model: str, night: date) -> list[Trigger]:
    month = f"{night:%Y-%m}"
    return triggers.between(connection, model, f"{month}-01", f"{month}-31", AUTOMATIC)


def _trigger_of(connection: Connection, decision: Decision, report: DriftReport) -> Trigger | None:
    if decision.action != Action.RETRAIN:
        return None
    return triggers.by_key(connection, report.model, dedup_key(report))


def _cause(report: DriftReport) -> str:
    """``performance`` where the model itself got worse, else ``drift``."""
    return "performance" if "concept" in report.kinds else "drift"


def _figures(report: DriftReport) -> dict[str, float | int | str | None]:
    """What the answer was taken on, small enough to read."""
    drifted = [f.column for f in report.features if f.outcome is Outcome.BAD]
    unsure = sum(f.outcome is Outcome.UNKNOWN for f in report.features)
    figures: dict[str, float | int | str | None] = {
        "partition": report.partition,
        "triage": str(report.triage),
        "kinds": ", ".join(report.kinds),
        "current_rows": report.current_rows,
        "reference_rows": report.reference_rows,
        "features_drifted": len(drifted),
        "features_unsure": unsure,
        "features": ", ".join(drifted[:10]),
    }
    # The night's point of the drift trend: the largest effect, and the change least likely to be chance.
    judged = [f for f in report.features if f.statistic is not None and f.p_value is not None]
    if judged:
        largest = max(judged, key=lambda f: f.statistic or 0.0)
        rarest = min(judged, key=lambda f: 1.0 if f.p_value is None else f.p_value)
        figures |= {"psi_max": largest.statistic, "psi_max_column": largest.column}
        figures |= {"p_min": rarest.p_value, "p_min_column": rarest.column}
    if report.report_uri is not None:
        figures["report"] = report.report_uri
    figures |= {f"now_{name}": value for name, value in report.performance.items()}
    return figures | {f"then_{name}": value for name, value in report.baseline_performance.items()}
