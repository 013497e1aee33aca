"""Telling a person that data is broken: a log line always, and a webhook where one is set."""

from __future__ import annotations

import logging

import httpx

from airloop.contracts import Decision, DriftReport
from airloop.ledger import Ledger
from airloop.settings import Settings

log = logging.getLogger("airloop.alert")

TIMEOUT_SECONDS = 5.0


def send(settings: Settings, ledger: Ledger, report: DriftReport, decision: Decision) -> str | None:
    """Announce a data incident. The ledger has it already, in the night's decision.

    A night replayed is announced once more only if the webhook did not take it the first time.

    :returns: what became of the webhook's announcement; None where no webhook is set
    """
    log.error("data incident in %s of %s: %s", report.partition, report.model, report.reason)
    if settings.alert_webhook is None:
        return None
    identity = f"alert:{report.model}:{report.partition}"
    if any(one.id == identity for one in ledger.decisions(report.model, "alert")):
        return "announced before"
    if failure := _post(settings.alert_webhook.get_secret_value(), report, decision):
        log.error("the alert's webhook did not take it: %s", failure)
        return f"not announced: {failure}"
    ledger.record_decision(
        model=report.model,
        subject="alert",
        action="announced",
        reason=report.reason,
        figures={"partition": report.partition},
        id=identity,
    )
    return "announced"


def _post(url: str, report: DriftReport, decision: Decision) -> str | None:
    """Why the webhook did not take it; None if it did. Never the URL: it may hold a token."""
    body = {
        "model": report.model,
        "partition": report.partition,
        "triage": report.triage,
        "reason": report.reason,
        "decision": decision.id,
        "report": report.report_uri,
    }
    try:
        answer = httpx.post(url, json=body, timeout=TIMEOUT_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return type(error).__name__
    return None if answer.is_success else f"HTTP {answer.status_code}"
