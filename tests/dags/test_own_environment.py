"""Which of a model's steps run in its own environment."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml


@pytest.fixture
def pythons(config: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """The interpreter that each step was sent to, once it ran."""
    from airloop_operators import base

    path = config / "models" / "flight_delay.yaml"
    spec = yaml.safe_load(path.read_text()) | {"environment": {"python": "/opt/own/bin/python"}}
    path.write_text(yaml.safe_dump(spec))
    sent: dict[str, str | None] = {}

    class Runner:
        def __init__(self, *_: Any, python: str | None, **__: Any) -> None:
            self.python = python

        def run(self, step: str, *_: Any) -> dict[str, Any]:
            sent[step] = self.python
            return {}

    monkeypatch.setattr(base, "StepRunner", Runner)
    return sent


def test_its_code_runs_there_and_what_is_delivered_is_tried_where_it_will_serve(
    pythons: dict[str, str | None],
) -> None:
    from airloop.steps import STEPS
    from airloop_operators.base import StepOperator

    task = StepOperator(task_id="any")
    run = SimpleNamespace(dag_id="d", run_id="r")
    context = {"dag_run": run, "ti": SimpleNamespace(task_id="any", try_number=1)}
    for step in STEPS:
        about = {"dataset": "flights"} if step == "ingest" else {"model": "flight_delay"}
        task.run_step(context, step, f"{step}:x", about)
    ours = {step for step, python in pythons.items() if python is None}
    assert ours == {"ingest", "register", "verify", "promote"}
    assert set(pythons.values()) == {None, "/opt/own/bin/python"}
