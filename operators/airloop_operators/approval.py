"""Level 0: a person says yes before a version is registered, and before it is delivered."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param

from airloop.ledger import open_ledger
from airloop.settings import load_settings
from airloop.vocabulary import LOOP, Action, Topic, TriggerState
from airloop_operators.runs import run_name


class ApproveModelOperator(ApprovalOperator):
    """Ask a person in Airflow's UI; no answer in time means no. Who said what, and why, goes to the ledger.

    :param model: name of the model
    :param act: what is asked for: ``registration`` or ``delivery``
    :param response_timeout: how long to wait for an answer
    """

    def __init__(
        self,
        *,
        model: str,
        act: str,
        response_timeout: timedelta = timedelta(days=3),
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("subject", f"{act.capitalize()} of {model}")
        kwargs.setdefault("doc_md", f"A person allows the {act}; no answer in time means no.")
        # Airflow hands in the DAG's own params here; the answer's form has this one field instead.
        kwargs["params"] = {"why": Param("", type="string", title="Why", source="task")}
        super().__init__(
            defaults=self.REJECT,
            response_timeout=response_timeout,
            ignore_downstream_trigger_rules=True,
            **kwargs,
        )
        self.model = model
        self.act = act

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """Record the answer, then let the run go on or skip the rest."""
        if "error" not in event:
            self._record(context, event)
        return super().execute_complete(context, event)

    def _record(self, context: Any, event: dict[str, Any]) -> None:
        user = event.get("responded_by_user") or {}
        why = str((event.get("params_input") or {}).get("why") or "no reason given")
        approved = self.APPROVE in event["chosen_options"]
        answered = user.get("name") or user.get("id")
        if not answered:
            why = f"nobody answered within {self.response_timeout}: that means no"
        ledger, run = open_ledger(load_settings()), run_name(context)
        # After a no the run goes on to a good end without a version: whatever it had claimed is answered.
        mine = [] if approved else [one for one in ledger.claims(self.model) if one.run == run]
        ledger.record_decision(
            entity=self.model,
            topic=Topic.APPROVAL,
            action=Action.APPROVE if approved else Action.REJECT,
            reason=f"{self.act}: {why}",
            actor=str(answered or LOOP),
            id=f"approval:{self.act}:{run}:{context['ti'].try_number}",
            ends=(mine[0].trigger.id, TriggerState.REFUSED) if mine else None,
        )
