"""Segments: which of them are trained, and the packs in which they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow.sdk import TaskGroup

from airloop.errors import StepEndedError, TransientError
from airloop.exchange import keys
from airloop.specs import ModelSpec
from airloop_operators.base import StepOperator
from airloop_operators.defaults import place

#: A pod that is killed takes its worker along: there each segment that kills twice costs two tries.
RETRIES = 8


class DivideSegmentsOperator(StepOperator):
    """Say which segments of the snapshot are trained; where the spec has ``segments``.

    Returns the numbers of the packs, a list that TrainSegmentsOperator is expanded over; ``plan`` (a name in the step
    store) and ``until`` are XComs of their own.

    :param model: name of the model
    :param trigger_id: the claimed reason (templated); without one the run's own name is the step's key
    :param until: last day of the training window (templated)
    :param parameters: of this run (templated)
    :param study: the study whose best parameters the segments take, too (templated)
    """

    template_fields: Sequence[str] = ("trigger_id", "until", "parameters", "study")

    #: Airflow expands a task over a whole return value only: this one is a list.
    policy: ClassVar[Mapping[str, Any]] = {**StepOperator.policy, "multiple_outputs": False}

    def __init__(
        self,
        *,
        model: str,
        trigger_id: str | None = None,
        until: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        study: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.trigger_id = trigger_id
        self.until = until
        self.parameters = parameters
        self.study = study

    def work(self, context: Any) -> list[int]:
        """Count and divide; a failure that cannot be repaired by trying again ends the trigger too."""
        request = {
            "model": self.model,
            "until": self.until,
            "params": dict(self.parameters or {}),
            "study": self.study or None,
        }
        result = self.run_training_step(context, "divide", self.trigger_id, request)
        for name in ("plan", "until"):
            context["ti"].xcom_push(key=name, value=result[name])
        self.log.info("%d segments are trained, %d are not", result["segments"], result["left_out"])
        packs: list[int] = result["packs"]
        return packs


class TrainSegmentsOperator(StepOperator):
    """Train one pack of segments. Expanded over ``pack``, so that a few run side by side.

    What fails in a segment is that segment's failure: the task succeeds, and the global model answers for it. What
    kills the process or the pod costs one try, and the next goes on behind the segment that did it.

    :param model: name of the model
    :param plan: the plan's name, as DivideSegmentsOperator pushes it (templated)
    :param pack: the pack's number (mapped)
    """

    template_fields: Sequence[str] = ("plan", "pack")

    def __init__(self, *, model: str, plan: str, pack: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.plan = plan
        self.pack = pack

    def work(self, context: Any) -> dict[str, Any]:
        """Train the pack, or what a try before left of it."""
        key = keys.Segments(self.plan, self.pack)
        request = {"model": self.model, "plan": self.plan, "pack": self.pack}
        try:
            result = self.run_step(context, "segments", key, request)
        except StepEndedError as error:
            # Memory or time that one segment used up: what the others did is kept, so another try gets further.
            raise TransientError(
                error.what, value=error.value, where=error.where, remedy=error.remedy
            ) from error
        self.log.info("%(trained)d segments trained, %(failed)d failed", result)
        return result


def train_segments(spec: ModelSpec, **given: Any) -> tuple[DivideSegmentsOperator, Any]:
    """The tasks that train the models of segments."""
    with TaskGroup("segments", tooltip="One model a segment, a pack of them a task."):
        divide = DivideSegmentsOperator(
            task_id="divide",
            model=spec.name,
            **given,
            doc_md="Which segments have rows enough for a model of their own, and in which packs.",
        )
        fits = TrainSegmentsOperator.partial(
            task_id="fit",
            model=spec.name,
            plan=divide.output["plan"],
            **place(spec, "segments"),
            max_active_tis_per_dagrun=spec.segments.concurrency if spec.segments else 1,
            retries=RETRIES,
            doc_md="A pack of segments, each trained by itself: one that fails is left to the global model.",
        ).expand(pack=divide.output)
    return divide, fits
