"""Tuning: whether to look for parameters, and the trials that do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airloop.exchange import keys
from airloop.specs import ModelSpec
from airloop_operators.base import StepOperator
from airloop_operators.defaults import place
from airloop_operators.runs import moment_of


class OpenStudyOperator(StepOperator):
    """Say whether this training looks for parameters first; where the spec has ``tuning``.

    Returns the workers' shares, a list that RunTrialsOperator is expanded over; ``study`` and ``until`` are XComs of
    their own.

    :param model: name of the model
    :param trigger_id: the claimed reason (templated); without one the run's own name is the step's key
    :param until: last day of the training window (templated)
    :param parameters: of this run (templated); what it sets itself is not looked for
    """

    template_fields: Sequence[str] = ("trigger_id", "until", "parameters")

    #: Airflow expands a task over a whole return value only: this one is a list.
    policy: ClassVar[Mapping[str, Any]] = {**StepOperator.policy, "multiple_outputs": False}

    def __init__(
        self,
        *,
        model: str,
        trigger_id: str | None = None,
        until: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.trigger_id = trigger_id
        self.until = until
        self.parameters = parameters

    def work(self, context: Any) -> list[dict[str, Any]]:
        """Ask the policy, open the study."""
        request = {
            "model": self.model,
            "until": self.until,
            "params": dict(self.parameters or {}),
        }
        result = self.run_training_step(context, "study", self.trigger_id, request)
        # An XCom of None counts as missing.
        about = {"study": result["study"] or "", "until": result["until"]}
        for name, value in about.items():
            context["ti"].xcom_push(key=name, value=value)
        return [
            {"worker": worker, "share": share, **about}
            for worker, share in enumerate(result["shares"])
        ]


class RunTrialsOperator(StepOperator):
    """Run one worker's share of a study's trials. Expanded over ``worker``, so that they run side by side.

    :param model: name of the model
    :param worker: its number, its share of the trials, their study and the last day of the window (mapped)
    :param parameters: of this run (templated)
    """

    template_fields: Sequence[str] = ("worker", "parameters")

    def __init__(
        self,
        *,
        model: str,
        worker: Mapping[str, Any],
        parameters: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.worker = worker
        self.parameters = parameters

    def work(self, context: Any) -> dict[str, Any]:
        """Run the share; without a study there is nothing to start a process for."""
        if not self.worker["study"]:
            return {"trials": 0}
        request = {
            **self.worker,
            **moment_of(context),
            "model": self.model,
            "params": dict(self.parameters or {}),
        }
        key = keys.Trials(self.worker["study"], self.worker["worker"])
        return self.run_step(context, "trials", key, request)


def search(spec: ModelSpec, claim: Any) -> tuple[OpenStudyOperator, Any]:
    """The tasks that look for parameters before a training, where the policy says so."""
    given = {"until": claim.output["until"], "parameters": claim.output["parameters"]}
    study = OpenStudyOperator(
        task_id="study",
        model=spec.name,
        trigger_id=claim.output["trigger_id"],
        **given,
        doc_md="Whether to look for parameters again, or to use those that are known.",
    )
    trials = RunTrialsOperator.partial(
        task_id="trials",
        model=spec.name,
        parameters=claim.output["parameters"],
        **place(spec, "trials"),
        max_active_tis_per_dagrun=spec.tuning.parallel if spec.tuning else 1,
        doc_md="A share of the trials.",
    ).expand(worker=study.output)
    return study, trials


def taken(claim: Any, study: OpenStudyOperator | None) -> dict[str, Any]:
    """What a training takes of the reason that was claimed for it, and of the study before it."""
    return {
        "trigger_id": claim.output["trigger_id"],
        "parameters": claim.output["parameters"],
        "study": study.output["study"] if study is not None else None,
    }
