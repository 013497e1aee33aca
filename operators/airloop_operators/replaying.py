"""Replaying: what each way to decide would have been worth on the past."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from airloop.check import broken
from airloop.exchange import keys
from airloop.ledger import open_ledger
from airloop.settings import load_settings
from airloop.specs import load_catalog
from airloop.specs.model import Level
from airloop_operators.base import StepOperator
from airloop_operators.errors import airflow_errors
from airloop_operators.links import ReplayLink, report_link


class ModelsToReplayOperator(BaseOperator):
    """Returns the names of the models that have a past to replay, for a task to be mapped over.

    Those that serve and that a loop looks after, of datasets with a calendar; a run's ``conf`` may name one as ``model``.
    One whose spec is wrong is left out: its own DAGs say so.
    """

    def execute(self, context: Any) -> list[str]:
        """Look into the specs."""
        with airflow_errors():
            catalog = load_catalog()
            if (named := context["params"].get("model")) is not None:
                return [catalog.model(str(named)).name]
            known = open_ledger(load_settings()).serving()
            served = {name for name, one in known.items() if one.champion is not None}
            specs = [entry.spec for entry in broken.models(catalog) if entry.spec is not None]
            return [
                spec.name
                for spec in specs
                if spec.name in served
                and spec.level is not Level.MANUAL
                and catalog.dataset_of(spec).cadence.timed
            ]


class ReplayModelOperator(StepOperator):
    """Replay a model's past under every policy, and keep the page. Skipped where there is too little history yet.

    :param model: name of the model
    """

    operator_extra_links = (ReplayLink(),)

    def __init__(self, *, model: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model

    def work(self, context: Any) -> dict[str, Any]:
        """Replay once."""
        result = self.run_step(context, "replay", keys.Replay(self.model), {"model": self.model})
        if result["page"] is None:
            raise AirflowSkipException(result["reason"])
        self.log.info(result["reason"])
        self.found_links[ReplayLink().name] = report_link(self.settings(), result["page"])
        return result
