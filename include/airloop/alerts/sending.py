"""Telling a person that data is broken, by every route that the settings name."""

from __future__ import annotations

import logging

from airloop.alerts.routes import LogSpec, WebhookSpec
from airloop.contracts import Decision, DriftReport
from airloop.errors import SpecError
from airloop.ledger import Ledger
from airloop.plugins.alert import Alert, AlertRoute, AlertSpec
from airloop.plugins.registry import ALERTS, load
from airloop.settings import Settings
from airloop.vocabulary import Action, Topic

log = logging.getLogger("airloop.alert")


def send(settings: Settings, ledger: Ledger, report: DriftReport, decision: Decision) -> str | None:
    """Announce a data incident. The ledger has it already, in the night's decision.

    :returns: what became of it, of each route beside the log; None where there is none
    """
    alert = Alert(
        model=report.model,
        partition=report.partition,
        triage=report.triage,
        reason=report.reason,
        decision=decision.id,
        report=report.report_uri,
    )
    return announce(settings, ledger, alert)


def announce(settings: Settings, ledger: Ledger, alert: Alert) -> str | None:
    """Announce by every route.

    What is announced again reaches only the routes that did not take it the first time.

    :returns: what became of it, of each route beside the log; None where there is none
    """
    told = [_announce(spec, identity, ledger, alert) for identity, spec in _routes(settings)]
    said = [text for text in told if text]
    return "; ".join(said) or None


def tell(settings: Settings, alert: Alert) -> str | None:
    """Announce what no ledger remembers, by every route; whoever calls says it once.

    :returns: which routes did not take it, and why; None where all did
    """
    failures = [
        f"{spec.kind}: {failure}"
        for _, spec in _routes(settings)
        if (failure := _taken(spec, alert)[0])
    ]
    return "; ".join(failures) or None


def _routes(settings: Settings) -> list[tuple[str, AlertSpec]]:
    """Each route with what marks it in the ledger; the log is always among them."""
    named = list(enumerate(settings.alerts))
    routes: list[tuple[str, AlertSpec]] = [(f"alert:{spec.kind}:{n}", spec) for n, spec in named]
    if not any(spec.kind == "log" for spec in settings.alerts):
        routes.insert(0, ("alert:log", LogSpec()))
    if settings.alert_webhook is not None:
        routes.append(("alert", WebhookSpec(url=settings.alert_webhook)))
    return routes


def _announce(spec: AlertSpec, route: str, ledger: Ledger, alert: Alert) -> str | None:
    identity = f"{route}:{alert.model}:{alert.partition}"
    if any(one.id == identity for one in ledger.decisions(alert.model, Topic.ALERT)):
        return "announced before"
    failure, repeats = _taken(spec, alert)
    if failure:
        log.error("the alert's %s did not take it: %s", spec.kind, failure)
        return f"not announced: {failure}"
    if repeats:
        return None
    ledger.record_decision(
        entity=alert.model,
        topic=Topic.ALERT,
        action=Action.ANNOUNCED,
        reason=alert.reason,
        figures={"partition": alert.partition},
        id=identity,
    )
    return "announced"


def _taken(spec: AlertSpec, alert: Alert) -> tuple[str | None, bool]:
    """Why a route did not take it, and whether it may be told again; none keeps the others from being tried."""
    try:
        route: AlertRoute = load(ALERTS, spec.kind)
        return route.send(spec, alert), route.repeats
    except SpecError as error:
        return str(error), True
    # A route of somebody else's may raise anything; its text may hold a secret, so only its kind is told.
    except Exception as error:
        return type(error).__name__, True
