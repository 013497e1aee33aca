"""How a version on trial is asked, and what is said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from airloop.contracts import Check, Outcome

if TYPE_CHECKING:
    from airloop.settings import Settings


def asking(settings: Settings) -> httpx.Client:
    """A client that bears the trial's token."""
    headers = {
        "authorization": f"Bearer {settings.serving.bearer()}",
        "content-type": "application/json",
    }
    timeout = settings.serving.timeout_seconds
    return httpx.Client(
        base_url=settings.serving.url, headers=headers, timeout=timeout, trust_env=False
    )


def checked(name: str, outcome: Outcome, reason: str, **figures: float | int | str | None) -> Check:
    """A check's verdict."""
    return Check(name=name, outcome=outcome, reason=reason, figures=figures)
