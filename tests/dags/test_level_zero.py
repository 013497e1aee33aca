"""Level 0: nothing starts by itself, and a person is asked before registration and delivery."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airloop.ledger import open_ledger
from airloop.settings import load_settings

LoadDags = Callable[..., dict[str, Any]]


@pytest.fixture
def dags(config: Path, load_dags: LoadDags) -> dict[str, Any]:
    path = config / "models" / "flight_delay.yaml"
    path.write_text(path.read_text().replace("level: 1", "level: 0"))
    return load_dags()


def test_the_models_dags_wait_for_a_person(dags: dict[str, Any]) -> None:
    for kind in ("train", "deploy", "monitor", "score"):
        assert type(dags[f"{kind}_flight_delay"].timetable).__name__ == "NullTimetable" or (
            dags[f"{kind}_flight_delay"].schedule is None
        )
    assert dags["ingest_flights"].schedule is not None


def test_a_person_is_asked_twice(dags: dict[str, Any]) -> None:
    train = [task.task_id for task in dags["train_flight_delay"].topological_sort()]
    deploy = [task.task_id for task in dags["deploy_flight_delay"].topological_sort()]
    assert train == ["claim", "train", "evaluate", "approve_registration", "register"]
    assert deploy == ["verify", "approve_delivery", "promote"]


def test_no_answer_means_no(dags: dict[str, Any]) -> None:
    approval = dags["deploy_flight_delay"].get_task("approve_delivery")
    assert approval.defaults == ["Reject"]
    assert approval.response_timeout is not None


def test_the_form_asks_why(dags: dict[str, Any]) -> None:
    assert set(dags["deploy_flight_delay"].get_task("approve_delivery").serialized_params) == {
        "why"
    }


def _answer(task: Any, event: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    from airflow.providers.standard.operators.hitl import ApprovalOperator

    monkeypatch.setattr(ApprovalOperator, "execute_complete", lambda *args, **kwargs: None)
    run = SimpleNamespace(dag_id="deploy_flight_delay", run_id="r1")
    context = {"dag_run": run, "ti": SimpleNamespace(try_number=1, task_id=task.task_id)}
    task.execute_complete(context, event)
    (decision,) = open_ledger(load_settings()).decisions("flight_delay", "approval")
    return decision


def test_who_and_why_are_on_record(dags: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    task = dags["deploy_flight_delay"].get_task("approve_delivery")
    event = {
        "chosen_options": ["Approve"],
        "params_input": {"why": "looked at the slices"},
        "responded_at": datetime.now(UTC),
        "responded_by_user": {"id": "7", "name": "ada"},
    }
    decision = _answer(task, event, monkeypatch)
    assert (decision.action, decision.actor) == ("approve", "ada")
    assert decision.reason == "delivery: looked at the slices"


def test_silence_is_on_record_too(dags: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    task = dags["deploy_flight_delay"].get_task("approve_delivery")
    event = {
        "chosen_options": ["Reject"],
        "params_input": {},
        "responded_at": datetime.now(UTC),
        "responded_by_user": None,
        "timedout": True,
    }
    decision = _answer(task, event, monkeypatch)
    assert (decision.action, decision.actor) == ("reject", "airloop")
    assert "nobody answered within 3 days" in decision.reason
