"""Training: claim a reason, train, pass the gates, register."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from airloop.contracts import Candidate, GateReport, Outcome, Trigger
from airloop.errors import GateError
from airloop.exchange import keys
from airloop.ledger import claims
from airloop.ledger.claims import Claim, Request
from airloop.ledger.faults import reach
from airloop.specs import load_catalog
from airloop.specs.model import Level
from airloop.specs.requests import TrainConf
from airloop.vocabulary import Action, Cause, Topic
from airloop_operators.assets import candidate_asset
from airloop_operators.base import StepOperator
from airloop_operators.claims import first_of_its_life, settle, was_cleared
from airloop_operators.links import MlflowRunLink, TrainingRunLink, mlflow_link, run_link
from airloop_operators.runs import asker, cause_of, conf_of, last_ended, longest_life, run_name


class ClaimTriggerOperator(StepOperator):
    """Take a reason to train, so that no other run does; skip the run where there is none, or another trains the same.

    A run that a person or the schedule started brings its own reason, one that an asset woke takes the oldest that
    waits. Of equal requests in flight the first trains; the others skip, and link its run. Returns ``trigger_id``,
    ``reason``, ``until`` and ``parameters``: what TrainModelOperator takes.

    :param model: name of the model, as in config/models
    """

    operator_extra_links = (TrainingRunLink(),)

    def __init__(self, *, model: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model

    def work(self, context: Any) -> dict[str, Any]:
        """Claim; the ledger says whether there is anything to claim."""
        conf = conf_of(context, TrainConf)
        ledger, run = self.ledger(), run_name(context)
        if first_of_its_life(context) or was_cleared(context):
            with ledger.transaction() as connection:
                claims.let_go(connection, self.model, run, cleared=was_cleared(context))
        trigger = self._claim(context, conf, settle(ledger, self.model))
        reach(f"claim:{self.model}", "commit", "after")
        self.log.info("training because: %s", trigger.reason)
        return {
            "trigger_id": trigger.id,
            "reason": trigger.reason,
            "until": conf.until or self._last(trigger),
            "parameters": conf.params,
        }

    def _claim(self, context: Any, conf: TrainConf, flying: Sequence[Claim]) -> Trigger:
        run, cause = run_name(context), cause_of(context)
        if cause is None or self._takes_what_waits(conf):
            waited = self.ledger().claim_trigger(self.model, run, longest_life(context))
            if waited is not None:
                return waited
        if cause is None:
            raise self._skip(run, f"no reason to train {self.model} is open", flying)
        return self._own(context, cause, conf)

    def _own(self, context: Any, cause: Cause, conf: TrainConf) -> Trigger:
        run, text, partition = run_name(context), conf.model_dump_json(), conf.until
        if cause is Cause.SCHEDULE and partition is None:
            partition = last_ended(context, load_catalog().pair(self.model)[1])
            text += partition or ""
        reason = conf.reason or f"asked for by run {run}"
        request = Request(cause, reason, text, partition, asker(context))
        with self.ledger().transaction() as connection:
            found = claims.claim_own(connection, self.model, run, request, longest_life(context))
        if isinstance(found, Claim):
            raise self._skip(run, "the same training is in flight", [found])
        return found

    def _last(self, trigger: Trigger) -> str | None:
        """The last partition of the training's window, where the spec ends it at the trigger's."""
        retraining = load_catalog().model(self.model).retraining
        return trigger.partition if retraining.window_ends == "partition" else None

    def _takes_what_waits(self, conf: TrainConf) -> bool:
        """At level 0 no asset wakes a run: a person's, who asks for nothing else, is the one that was waited for."""
        nothing_else = conf == TrainConf()
        return nothing_else and load_catalog().model(self.model).level is Level.MANUAL

    def _skip(self, run: str, why: str, flying: Sequence[Claim]) -> AirflowSkipException:
        """On record too: the page answers with the run that has it."""
        if flying:
            self.found_links[TrainingRunLink().name] = run_link(flying[0].run)
        has = f"run {flying[0].run} has it" if flying else "another run has ended it already"
        self.ledger().record_decision(
            entity=self.model,
            topic=Topic.RUN,
            action=Action.NOTHING,
            reason=f"{why}: {has}",
            figures={"run": run, "task": self.task_id},
            id=f"run:{run}:skipped"[:300],
        )
        return AirflowSkipException(f"{why}: {has}")


class TrainModelOperator(StepOperator):
    """Train a candidate on a pinned snapshot of the model's dataset.

    :param model: name of the model
    :param trigger_id: the claimed reason (templated); without one the run's own name is the step's key
    :param until: last day of the training window, YYYY-MM-DD (templated); without it the newest day there is
    :param parameters: laid over the spec's ``training.params`` (templated)
    :param reason: why, for the run's record (templated)
    :param study: the study whose best parameters are taken (templated)
    :param plan: the plan under which the model's segments were trained (templated)
    """

    template_fields: Sequence[str] = (
        *("trigger_id", "until", "parameters", "reason", "study"),
        "plan",
    )
    operator_extra_links = (MlflowRunLink(),)

    def __init__(
        self,
        *,
        model: str,
        trigger_id: str | None = None,
        until: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        reason: str | None = None,
        study: str | None = None,
        plan: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.trigger_id = trigger_id
        self.until = until
        self.parameters = parameters
        self.reason = reason
        self.study = study
        self.plan = plan

    def work(self, context: Any) -> dict[str, Any]:
        """Train; a failure that cannot be repaired by trying again ends the trigger too."""
        request = {
            "model": self.model,
            "trigger_id": self.trigger_id,
            "until": self.until,
            "params": dict(self.parameters or {}),
            "reason": self.reason or "",
            **({"study": self.study} if self.study else {}),
            **({"plan": self.plan} if self.plan else {}),
        }
        result = self.run_training_step(context, "train", self.trigger_id, request)
        run_id = result["candidate"]["run_id"]
        self.found_links[MlflowRunLink().name] = result.get("run_url") or mlflow_link(
            self.settings(), run_id
        )
        return result


class EvaluateModelOperator(StepOperator):
    """Put a candidate to the gates. One that does not pass fails the task at once, with the gates' reasons.

    :param candidate: the candidate, as TrainModelOperator returns it (templated)
    """

    template_fields: Sequence[str] = ("candidate",)
    operator_extra_links = (MlflowRunLink(),)

    def __init__(self, *, candidate: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.candidate = candidate

    def work(self, context: Any) -> dict[str, Any]:
        """Evaluate; the report is pushed even where the answer is no."""
        candidate = Candidate.model_validate(self.candidate)
        self.found_links[MlflowRunLink().name] = mlflow_link(self.settings(), candidate.run_id)
        result = self.run_step(
            context,
            "evaluate",
            keys.Evaluate(candidate.model, candidate.run_id),
            {"candidate": candidate.model_dump(mode="json")},
        )
        report = GateReport.model_validate(result["report"])
        if report.outcome is not Outcome.OK:
            context["ti"].xcom_push(key="gate_report", value=result["report"])
            raise GateError(
                f"the gates refuse this candidate of {candidate.model}: {report.reason}"
            )
        return result


class RegisterModelOperator(StepOperator):
    """Register a candidate that passed its gates; emits the model's candidate asset with the version's number.

    :param model: name of the model
    :param candidate: the candidate, as TrainModelOperator returns it (templated)
    :param report: the gates' report, as EvaluateModelOperator returns it (templated)
    """

    template_fields: Sequence[str] = ("candidate", "report")
    operator_extra_links = (MlflowRunLink(),)

    def __init__(
        self, *, model: str, candidate: Mapping[str, Any], report: Mapping[str, Any], **kwargs: Any
    ) -> None:
        kwargs.setdefault("outlets", [candidate_asset(model)])
        super().__init__(**kwargs)
        self.model = model
        self.candidate = candidate
        self.report = report

    def work(self, context: Any) -> dict[str, Any]:
        """Register, once per training run.

        :raises GateError: if no gates' report reached this task
        """
        if not isinstance(self.report, Mapping):
            raise GateError(
                "there is no gates' report: the evaluation was refused or did not run, whatever its state was set to",
                value=self.report,
                where=f"model {self.model}",
                remedy="clear the task that evaluates; a candidate is registered by its gates' verdict alone",
            )
        candidate = Candidate.model_validate(self.candidate)
        self.found_links[MlflowRunLink().name] = mlflow_link(self.settings(), candidate.run_id)
        result = self.run_step(
            context,
            "register",
            keys.Register(self.model, candidate.run_id),
            {"candidate": candidate.model_dump(mode="json"), "report": dict(self.report)},
        )
        context["outlet_events"][candidate_asset(self.model)].extra = {
            "version": result["version"]["version"]
        }
        return result
