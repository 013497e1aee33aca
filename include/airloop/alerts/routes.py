"""The alert routes that are built in."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import SecretStr

from airloop.fields import VariableName
from airloop.issues import SpecIssue
from airloop.plugins.alert import Alert, AlertRoute, AlertSpec

log = logging.getLogger("airloop.alert")

TIMEOUT_SECONDS = 5.0


class LogSpec(AlertSpec):
    """A line in the log of the step."""

    kind: Literal["log"] = "log"


class WebhookSpec(AlertSpec):
    """JSON, posted to an URL; it may hold a token, so it may stand in a variable instead."""

    kind: Literal["webhook"] = "webhook"
    url: SecretStr | None = None
    url_env: VariableName | None = None

    @classmethod
    def rules(cls, data: Mapping[str, Any]) -> list[SpecIssue]:
        """One way to the URL."""
        if (data.get("url") is None) == (data.get("url_env") is None):
            what = "needs the URL: one of url and url_env"
            return [SpecIssue((), what, None, "name by url_env the variable that holds it")]
        return []


class LogRoute(AlertRoute):
    """Says it in the log, each time."""

    spec: ClassVar[type[AlertSpec]] = LogSpec
    repeats: ClassVar[bool] = True

    def send(self, spec: LogSpec, alert: Alert) -> str | None:
        """Write the line."""
        log.error("%s in %s of %s: %s", alert.triage, alert.partition, alert.model, alert.reason)
        return None


class WebhookRoute(AlertRoute):
    """Posts it."""

    spec: ClassVar[type[AlertSpec]] = WebhookSpec

    def send(self, spec: WebhookSpec, alert: Alert) -> str | None:
        """Why the webhook did not take it; None if it did. Never the URL: it may hold a token."""
        import httpx

        url = spec.url.get_secret_value() if spec.url else os.environ.get(str(spec.url_env), "")
        if not url:
            return f"the variable {spec.url_env} is not set"
        try:
            answer = httpx.post(url, json=alert.model_dump(mode="json"), timeout=TIMEOUT_SECONDS)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return type(error).__name__
        return None if answer.is_success else f"HTTP {answer.status_code}"
