from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from airloop.alerts import sending
from airloop.alerts.routes import WebhookSpec
from airloop.contracts import Decision, DriftReport
from airloop.ledger import Ledger
from airloop.plugins.alert import AlertSpec
from airloop.vocabulary import Action, Topic, Triage

REPORT = DriftReport(
    model="guess",
    partition="2013-03-02",
    reference_rows=1,
    current_rows=1,
    features=(),
    triage=Triage.INCIDENT,
    reason="all values missing: temp",
)


class Hook(BaseHTTPRequestHandler):
    """Keeps what it is sent."""

    bodies: list[dict[str, Any]]
    status = 200

    def do_POST(self) -> None:
        self.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silence."""


@pytest.fixture
def hook() -> Iterator[tuple[str, type[Hook]]]:
    handler = type("OwnHook", (Hook,), {"bodies": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/s3cret", handler
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


@pytest.fixture
def decision(ledger: Ledger) -> Decision:
    return ledger.record_decision(
        entity="guess", topic=Topic.RETRAINING, action=Action.ALERT, reason="broken"
    )


def settings(url: str | None) -> Any:
    return SimpleNamespace(alerts=(), alert_webhook=SecretStr(url) if url else None)


def test_without_a_webhook_the_log_says_it(
    ledger: Ledger, decision: Decision, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "airloop.alert"):
        assert sending.send(settings(None), ledger, REPORT, decision) is None
    assert "data incident in 2013-03-02 of guess: all values missing: temp" in caplog.text


def test_the_webhook_is_told_once_per_night(
    ledger: Ledger, decision: Decision, hook: tuple[str, type[Hook]]
) -> None:
    url, handler = hook
    told = [sending.send(settings(url), ledger, REPORT, decision) for _ in range(3)]
    assert told == ["announced", "announced before", "announced before"]
    (body,) = handler.bodies
    assert body["triage"] == "data incident"
    assert body["reason"] == "all values missing: temp"


def test_a_webhook_that_refuses_is_said_and_asked_again_next_time(
    ledger: Ledger,
    decision: Decision,
    hook: tuple[str, type[Hook]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    url, handler = hook
    handler.status = 503
    assert sending.send(settings(url), ledger, REPORT, decision) == "not announced: HTTP 503"
    handler.status = 200
    assert sending.send(settings(url), ledger, REPORT, decision) == "announced"
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/s3cret", "not a url", "ftp://x"])
def test_a_webhook_that_is_not_there_is_said(
    url: str, ledger: Ledger, decision: Decision, caplog: pytest.LogCaptureFixture
) -> None:
    told = sending.send(settings(url), ledger, REPORT, decision)
    assert told is not None
    assert told.startswith("not announced: ")
    assert "s3cret" not in told + caplog.text


def test_more_routes_are_told_each_and_one_that_fails_keeps_none_from_it(
    ledger: Ledger,
    decision: Decision,
    hook: tuple[str, type[Hook]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    url, handler = hook
    routes = (
        WebhookSpec(url=SecretStr("http://127.0.0.1:9/s3cret")),
        WebhookSpec(url=SecretStr(url)),
        AlertSpec(kind="pager"),
    )
    both: Any = SimpleNamespace(alerts=routes, alert_webhook=SecretStr(url))
    told = sending.send(both, ledger, REPORT, decision)
    assert told is not None
    refused, taken, unknown, legacy = told.split("; ", 3)
    assert refused.startswith("not announced: Connect")
    assert (taken, legacy.rpartition("; ")[2]) == ("announced", "announced")
    assert "no alert route of this name is installed" in unknown
    assert len(handler.bodies) == 2
    again = sending.send(both, ledger, REPORT, decision)
    assert again is not None
    assert again.count("announced before") == 2
    assert len(handler.bodies) == 2
    assert "s3cret" not in f"{told} {again} {caplog.text}"
