"""Monitoring: look at a night, decide, and wake the training where the decision says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airloop.contracts import Decision, DriftReport
from airloop.exchange import keys
from airloop.specs.requests import MonitorConf
from airloop.vocabulary import Action
from airloop_operators.assets import retrain_alias, retrain_asset
from airloop_operators.base import StepOperator
from airloop_operators.claims import settle
from airloop_operators.links import DriftReportLink, report_link
from airloop_operators.runs import day_of


class MonitorModelOperator(StepOperator):
    """Join late labels, compare the night with the model's reference, record what was decided.

    Emits the model's retrain asset while a reason to train waits for a run, and never otherwise.

    :param model: name of the model
    :param partition: the night, YYYY-MM-DD (templated). Without it the run says: ``conf`` with ``partition``, else its
        partition key, else the day on which its data interval begins
    """

    template_fields: Sequence[str] = ("partition",)
    operator_extra_links = (DriftReportLink(),)

    def __init__(self, *, model: str, partition: str | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("outlets", [retrain_alias(model)])
        super().__init__(**kwargs)
        self.model = model
        self.partition = partition

    def work(self, context: Any) -> dict[str, Any]:
        """Monitor one night."""
        night = self.partition or day_of(context, MonitorConf, self.model)
        settle(self.ledger(), self.model)
        result = self.run_step(
            context,
            "monitor",
            keys.Monitor(self.model, night),
            {"model": self.model, "partition": night},
        )
        report = DriftReport.model_validate(result["report"])
        self.found_links[DriftReportLink().name] = report_link(self.settings(), report.report_uri)
        self._announce(context, Decision.model_validate(result["decision"]))
        return result

    def _announce(self, context: Any, decision: Decision) -> None:
        """Say it in the log; wake the training if a reason is open, this night's or an earlier one's.

        Whether one is open counts, not whether this attempt created it: an attempt may have died between the ledger's
        commit and Airflow's event, and an event may be lost.
        """
        say = self.log.warning if decision.action is Action.ALERT else self.log.info
        say("%s: %s", decision.action, decision.reason)
        if waiting := self.ledger().open_triggers(self.model):
            context["outlet_events"][retrain_alias(self.model)].add(
                retrain_asset(self.model), extra={"trigger_id": waiting[0].id}
            )
