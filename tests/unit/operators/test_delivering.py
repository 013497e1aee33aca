"""A delivery that waits holds no slot: its task is deferred, and looks again."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk.exceptions import TaskDeferred

from airloop.contracts import ArtifactRef, Check, Deployment, ModelVersion, Outcome
from airloop.vocabulary import OFFLINE_SHADOW
from airloop_operators import delivery
from airloop_operators.assets import production_asset
from tests.support.serving_fakes import deployment

VERSION = ModelVersion(
    model="doubler",
    version=2,
    run_id="r",
    artifact=ArtifactRef(uri="runs:/2/model", digest="sha256:" + "0" * 64),
)


@pytest.mark.parametrize(
    ("name", "outcome", "stops"),
    [
        ("load", Outcome.OK, False),
        ("load", Outcome.UNKNOWN, True),
        ("load", Outcome.BAD, True),
        (OFFLINE_SHADOW, Outcome.OK, False),
        (OFFLINE_SHADOW, Outcome.UNKNOWN, False),
        (OFFLINE_SHADOW, Outcome.BAD, True),
    ],
)
def test_what_nobody_has_asked_yet_stops_no_delivery(
    name: str, outcome: Outcome, stops: bool
) -> None:
    assert delivery._stops(Check(name=name, outcome=outcome, reason="r")) is stops


class Events(dict[Any, Any]):
    """What the task says of its assets."""

    def __missing__(self, asset: Any) -> Any:
        self[asset] = type("Event", (), {"extra": {}})()
        return self[asset]


def operator(results: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Its step answers these, one after the other."""
    made = delivery.PromoteModelOperator(
        task_id="promote", model="doubler", version=VERSION.model_dump(mode="json")
    )
    monkeypatch.setattr(type(made), "run_step", lambda *_: results.pop(0))
    monkeypatch.setattr(delivery, "asker", lambda _: "airloop")
    monkeypatch.setattr(delivery, "run_name", lambda _: "deploy_doubler/1")
    return made


def test_a_look_that_waits_is_deferred_and_the_next_one_emits_the_asset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    served: Deployment = deployment(2)
    waits = {"deployment": None, "wait_seconds": 30.0, "says": "step 1: canary at 1 %"}
    done = {"deployment": served.model_dump(mode="json"), "wait_seconds": 0.0, "says": ""}
    promote, events = operator([waits, waits, done], monkeypatch), Events()
    context = {"outlet_events": events}
    for _ in range(2):
        with pytest.raises(TaskDeferred) as deferred:
            promote.work(context)
        assert isinstance(deferred.value.trigger, DateTimeTrigger)
        assert deferred.value.method_name == "look"
        assert deferred.value.timeout is None
        assert events == {}, "nobody is told that it serves"
    assert promote.work(context) == done
    assert events[production_asset("doubler")].extra == {"version": 2}
