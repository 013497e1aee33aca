"""Waking the trainings whose reasons nobody claimed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import AssetAlias, BaseOperator
from airflow.sdk.exceptions import AirflowRuntimeError
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

from airloop.contracts import Trigger
from airloop.errors import AirloopError
from airloop.ledger import open_ledger
from airloop.settings import load_settings
from airloop.specs import load_catalog
from airloop.specs.model import Level
from airloop_operators.assets import retrain_asset
from airloop_operators.claims import settle
from airloop_operators.errors import airflow_errors


class WakeTrainingsOperator(BaseOperator):
    """Emits the retrain asset of every model whose reason to train waits: its event was lost, or nobody listened.

    Also ends the claims of runs that live no more. Returns a line for each reason that waits, and why. A reason whose
    training DAG is paused goes on waiting, and is woken once the DAG is not.

    :param grace_minutes: how long a reason may wait for the run of its own event; a run's ``conf`` may say otherwise
    """

    def __init__(self, *, grace_minutes: int = 5, **kwargs: Any) -> None:
        kwargs.setdefault("outlets", [AssetAlias(name="airloop_waiting", group="airloop")])
        super().__init__(**kwargs)
        self.grace_minutes = grace_minutes

    def execute(self, context: Any) -> list[str]:
        """Look once."""
        minutes = int(context["params"].get("grace_minutes", self.grace_minutes))
        alias = self.outlets[0]
        with airflow_errors():
            ledger = open_ledger(load_settings())
            settle(ledger)
            until, found, seen = datetime.now(UTC) - timedelta(minutes=minutes), [], set[str]()
            for trigger in ledger.open_triggers():
                if trigger.at > until or trigger.model in seen:
                    continue  # one run at a time: it claims the oldest
                seen.add(trigger.model)
                held = _held(trigger)
                if held is None:
                    context["outlet_events"][alias].add(
                        retrain_asset(trigger.model), extra={"trigger_id": trigger.id}
                    )
                found.append(f"{trigger.model}: {trigger.reason}: {held or 'woken'}")
        for line in found or ["no reason to train waits"]:
            self.log.info(line)
        return found


def _held(trigger: Trigger) -> str | None:
    """Why an event would wake nobody."""
    name = trigger.model
    try:
        if load_catalog().model(name).level is Level.MANUAL:
            return "waits for a person, as the model is of level 0"
    except AirloopError as error:
        return f"waits, since its spec cannot be read: {error}"
    try:
        paused = RuntimeTaskInstance.get_dag(dag_id=f"train_{name}").is_paused
    except AirflowRuntimeError as error:
        return f"waits, since Airflow does not say how train_{name} is: {error}"
    return f"waits, since train_{name} is paused" if paused else None
