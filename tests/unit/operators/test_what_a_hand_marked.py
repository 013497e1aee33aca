"""States that a person set and events that a person wrote: refused in one sentence, never a traceback."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from airloop.errors import GateError, RequestError
from airloop_operators.assets import candidate_asset
from airloop_operators.delivery import _asked_version
from airloop_operators.training import RegisterModelOperator


@pytest.mark.parametrize("report", [None, "None", []])
def test_a_refused_evaluation_that_was_marked_success_registers_nothing(report: Any) -> None:
    task = RegisterModelOperator(task_id="register", model="m", candidate={}, report=report)
    with pytest.raises(GateError, match="there is no gates' report"):
        task.work({})


def woken_by(*extras: dict[str, Any]) -> dict[str, Any]:
    events = [SimpleNamespace(extra=extra) for extra in extras]
    run = SimpleNamespace(conf={}, run_id="r")
    return {"dag_run": run, "params": {}, "triggering_asset_events": {candidate_asset("m"): events}}


@pytest.mark.parametrize("number", ["three", None, 0, -1, 1.5, True, [1]])
def test_an_event_with_a_version_that_is_none_is_refused_in_one_sentence(number: Any) -> None:
    with pytest.raises(RequestError, match="names no version") as refusal:
        _asked_version(woken_by({"version": number}), "m")
    assert "\n" not in str(refusal.value)


def test_the_newest_version_of_several_events_counts() -> None:
    assert _asked_version(woken_by({"version": 3}, {"version": "x"}, {"version": 4}, {}), "m") == 4
