"""Delivery: check that a version can serve, then let it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk.exceptions import AirflowRuntimeError, AirflowSkipException

from airloop.contracts import Check, ModelVersion, Outcome
from airloop.errors import GateError, RequestError
from airloop.exchange import keys
from airloop.specs.requests import DeployConf
from airloop.vocabulary import OFFLINE_SHADOW
from airloop_operators.assets import candidate_asset, production_asset
from airloop_operators.base import StepOperator
from airloop_operators.links import MlflowRunLink, ServiceLink, mlflow_link
from airloop_operators.runs import asker, conf_of, run_name


class VerifyModelOperator(StepOperator):
    """Boot a registered version beside the one that serves and ask it: only one that answers right goes on.

    :param model: name of the model
    :param number: the version's number (templated). Without it the run says: ``conf`` with ``version``, else the asset
        event that woke it, else the newest candidate, unless that serves already
    """

    template_fields: Sequence[str] = ("number",)
    operator_extra_links = (MlflowRunLink(),)

    def __init__(self, *, model: str, number: int | str | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("inlets", [candidate_asset(model)])
        super().__init__(**kwargs)
        self.model = model
        self.number = number

    def work(self, context: Any) -> dict[str, Any]:
        """Verify; any check that is not ok fails the task."""
        number = int(self.number) if self.number else self._asked(context)
        result = self.run_step(
            context,
            "verify",
            keys.Verify(self.model, number),
            {"model": self.model, "number": number},
        )
        version = ModelVersion.model_validate(result["version"])
        self.found_links[MlflowRunLink().name] = mlflow_link(self.settings(), version.run_id)
        checks = [Check.model_validate(check) for check in result["checks"]]
        if failed := [f"{check.name}: {check.reason}" for check in checks if _stops(check)]:
            raise GateError(f"{self.model} version {number} cannot serve: {'; '.join(failed)}")
        return result

    def _asked(self, context: Any) -> int:
        """The version that the run is about; by hand and without one, the newest candidate."""
        if (number := _asked_version(context, self.model)) is not None:
            return number
        number = _newest_candidate(context, self.model)
        serving = self.ledger().current_deployment(self.model)
        if serving is not None and serving.version == number:
            raise AirflowSkipException(
                f"version {number}, the newest candidate of {self.model}, serves already"
            )
        return number


class PromoteModelOperator(StepOperator):
    """Make a verified version the champion, by its model's strategy; the service swaps it in. Emits the model's production asset.

    Between two looks at a canary or a shadow the task is deferred, and holds no slot. Where it stands is in the ledger: after
    any restart the next look goes on in the right step.

    :param model: name of the model
    :param version: the version, as VerifyModelOperator returns it (templated)
    :param reason: why, for the ledger (templated)
    """

    template_fields: Sequence[str] = ("version", "reason")
    operator_extra_links = (ServiceLink(),)

    def __init__(
        self, *, model: str, version: Mapping[str, Any], reason: str | None = None, **kwargs: Any
    ) -> None:
        kwargs.setdefault("outlets", [production_asset(model)])
        super().__init__(**kwargs)
        self.model = model
        self.version = version
        self.reason = reason

    def work(self, context: Any) -> dict[str, Any]:
        """Promote under the model's own fence: the newest delivery wins."""
        version = ModelVersion.model_validate(self.version)
        reason = self.reason or (
            f"version {version.version} passed its gates and checks (run {run_name(context)})"
        )
        result = self.run_step(
            context,
            "promote",
            keys.Promote(self.model),
            {
                "version": version.model_dump(mode="json"),
                "reason": reason,
                "actor": asker(context),
            },
        )
        self.found_links[ServiceLink().name] = f"{self.settings().serving.url}/docs"
        if result["deployment"] is None:
            # Only a delivery that waits needs it, and every DAG file imports this module.
            from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger

            self.log.info("%s; looked at again in %g s", result["says"], result["wait_seconds"])
            again = TimeDeltaTrigger(timedelta(seconds=result["wait_seconds"]))
            self.defer(trigger=again, method_name="look")
        context["outlet_events"][production_asset(self.model)].extra = {"version": version.version}
        return result

    def look(self, context: Any, event: Any = None) -> Any:
        """Look again, once the time is over."""
        return self.execute(context)


def _stops(check: Check) -> bool:
    """Whether a check stops a delivery: each does that is not ok, but for what callers asked where nobody has asked yet."""
    told = check.name != OFFLINE_SHADOW or check.outcome is not Outcome.UNKNOWN
    return not check.ok and told


def _asked_version(context: Any, model: str) -> int | None:
    """The version that the run's conf names, else the newest of the candidate events that woke it; None without both.

    :raises RequestError: if an event names none
    """
    if (version := conf_of(context, DeployConf).version) is not None:
        return version
    events = (context.get("triggering_asset_events") or {}).get(candidate_asset(model), ())
    named = [event.extra["version"] for event in events if "version" in event.extra]
    numbers = [number for number in named if type(number) is int and number >= 1]
    if named and not numbers:
        raise RequestError(
            "the event that woke this run names no version",
            value=named[-1],
            where=f"asset {candidate_asset(model).name}",
            remedy='an event\'s extra is {"version": N} with a whole number; trigger the DAG with it',
        )
    return max(numbers, default=None)


def _newest_candidate(context: Any, model: str) -> int:
    """The version of the newest candidate event there is.

    :raises RequestError: if there is none
    """
    asset = candidate_asset(model)
    try:
        events = list(context["inlet_events"][asset].ascending(False).limit(1))
    except (AirflowRuntimeError, KeyError):
        events = []
    number = events[0].extra.get("version") if events else None
    if type(number) is not int:
        raise RequestError(
            "there is no candidate to deliver, and the run names no version",
            value=model,
            remedy=f'run train_{model} first, or trigger this DAG with {{"version": N}}',
        )
    return number
