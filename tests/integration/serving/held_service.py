"""The real service with a model that answers only when it is let: ``<home>/hold`` makes it wait.

Run as ``bentoml serve tests.integration.serving.held_service:Predictions``; ``AIRLOOP_TEST_SABOTAGE`` takes the
protections away.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from airloop.serving import assembly, drain
from airloop.serving.runtime.endpoints import Endpoints
from airloop.settings import Settings
from airloop.specs import Catalog
from tests.support.serving_fakes import FakeLedger, FakeModel


def _slots(settings: Settings, _: Catalog) -> Endpoints:
    ledger, model = FakeLedger(), FakeModel()
    model.before = lambda: _wait(settings.home)
    ledger.deploy(1, model)
    return ledger.slots(settings.home)


def _wait(home: Path) -> None:
    while (home / "hold").exists():
        (home / "held").touch()
        time.sleep(0.02)


assembly.build_endpoints = _slots
# Slow machines: nothing here may run out of time.
drain.GRACE_SECONDS = 120.0
if os.environ["AIRLOOP_TEST_SABOTAGE"]:
    drain.Drain.guard = lambda _: None  # type: ignore[method-assign]

from airloop.serving import service  # noqa: E402
from airloop.serving.http import predictions  # noqa: E402

predictions.ANSWER_SECONDS = 120.0
Predictions = service.Predictions
