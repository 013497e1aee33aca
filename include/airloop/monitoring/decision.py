"""The answer to a night, on record: history read, policy asked, answer and trigger written, in one transaction.

Every answer is recorded, "no" too.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from airloop.contracts import Decision, DriftReport, Outcome, Trigger
from airloop.ledger import Ledger, attempts, claims, decisions, triggers, verdicts
from airloop.policy import retraining, shipping
from airloop.policy.findings import Evidence, Findings
from airloop.policy.holding import History
from airloop.specs.sections.watching import RetrainingSpec
from airloop.vocabulary import Action, Topic

_NOTHING_BESIDE = Evidence()


def answer(
    ledger: Ledger,
    spec: RetrainingSpec,
    report: DriftReport,
    *,
    now: datetime,
    newest: str | None = None,
    champion: str | None = None,
    evidence: Evidence = _NOTHING_BESIDE,
) -> tuple[Decision, Trigger | None]:
    """Answer a night, record the answer, and emit the trigger with it.

    A night asked about again, with the same verdict, gets the answer it got, and the same trigger.

    A training in flight is one that a run has claimed: what became of that run, whoever asks for the answer has asked
    Airflow before (:mod:`airloop_operators.claims`).

    :param now: the wall clock
    :param newest: the newest day in the lake
    :param champion: the night on which the champion's labels were complete
    :param evidence: what is known beside the report
    """
    identity = _identity(report)
    with ledger.transaction() as connection:
        # Two nights must not both find the budget unspent: deciding goes one model at a time.
        attempts.alone(connection, f"retraining:{report.model}")
        if earlier := decisions.by_id(connection, identity):
            return earlier, _trigger_of(connection, earlier, report)
        history = history_of(connection, spec, report, newest, champion)
        found = retraining.decide(spec, history, Findings(report, evidence))
        trigger = None
        if found.cause is not None:
            trigger, _ = triggers.emit(
                connection,
                model=report.model,
                cause=found.cause,
                dedup_key=dedup_key(report),
                reason=found.reason,
                partition=report.partition,
                at=now,
            )
        decision = Decision(
            id=identity,
            entity=report.model,
            topic=Topic.RETRAINING,
            action=found.action,
            reason=found.reason,
            figures=_figures(report) | found.figures,
            at=now,
        )
        return decisions.record(connection, decision), trigger


def dedup_key(report: DriftReport) -> str:
    """One training per night, whatever its cause and however often the night is replayed."""
    return f"night:{report.partition}"


def _identity(report: DriftReport) -> str:
    """One answer per night and verdict: a night whose data were mended may be judged anew."""
    return f"retraining:{report.model}:{report.partition}:{report.triage}"


def history_of(
    connection: Connection,
    spec: RetrainingSpec,
    report: DriftReport,
    newest: str | None,
    champion: str | None,
) -> History:
    """The trainings that the ledger knows of, as far as a night's answer rests on them."""
    first, last = retraining.span(spec, report.partition)
    near = triggers.between(connection, report.model, first, last, retraining.AUTOMATIC)
    flying = claims.in_flight(connection, report.model)
    return History(
        trained=triggers.by_key(connection, report.model, dedup_key(report)) is not None,
        in_flight=tuple(claim.trigger for claim in flying),
        waiting=tuple(triggers.unclaimed(connection, report.model)),
        automatic=tuple(near),
        newest=newest,
        champion=champion,
        cases=_cases(connection, spec, report),
    )


def _cases(
    connection: Connection, spec: RetrainingSpec, report: DriftReport
) -> tuple[shipping.Case, ...]:
    """The judged trainings of nights before this one, where the policy asks what became of them."""
    if spec.policy == "on_drift" or not spec.ships:
        return ()
    told = verdicts.before(
        connection, report.model, report.partition, retraining.AUTOMATIC, shipping.MOST
    )
    known = ((shipping.signs_in(figures), passed) for figures, passed in told)
    return tuple(shipping.Case(signs, passed) for signs, passed in known if signs is not None)


def _trigger_of(connection: Connection, decision: Decision, report: DriftReport) -> Trigger | None:
    if decision.action is not Action.RETRAIN:
        return None
    return triggers.by_key(connection, report.model, dedup_key(report))


def _figures(report: DriftReport) -> dict[str, float | int | str | None]:
    """What the answer was taken on, small enough to read."""
    drifted = [f.column for f in report.features if f.outcome is Outcome.BAD]
    unsure = sum(f.outcome is Outcome.UNKNOWN for f in report.features)
    figures: dict[str, float | int | str | None] = {
        "partition": report.partition,
        "triage": report.triage.value,
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
        shapes = [f for f in judged if f.measure == "PSI"]
        rarest = min(judged, key=lambda f: 1.0 if f.p_value is None else f.p_value)
        if shapes:
            largest = max(shapes, key=lambda f: f.statistic or 0.0)
            figures |= {"psi_max": largest.statistic, "psi_max_column": largest.column}
        figures |= {"p_min": rarest.p_value, "p_min_column": rarest.column}
    if report.report_uri is not None:
        figures["report"] = report.report_uri
    figures |= {f"now_{name}": value for name, value in report.performance.items()}
    return figures | {f"then_{name}": value for name, value in report.baseline_performance.items()}
