"""Airflow's half of an executor, where it has one that does better than to poll in the worker."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, cast

from airloop.errors import SpecError
from airloop.ledger import Ledger
from airloop.settings import Settings
from airloop.specs import ModelSpec


class StepTask(Protocol):
    """The task that a side works for, as far as it needs to know one: every operator of a step is such a task."""

    #: As in every operator of Airflow.
    task_id: str
    execution_timeout: timedelta | None

    def settings(self) -> Settings:
        """The settings of this process."""

    def ledger(self) -> Ledger:
        """The ledger of this process's settings."""


@dataclass(frozen=True)
class Asked:
    """The step that a task shall run."""

    context: Any
    step: str
    #: Of the fence; the side begins the attempt.
    key: str
    #: The request's fields without the fence.
    request: Mapping[str, Any]
    model: ModelSpec


class Side(Protocol):
    """Made for one try of one task, with the task's operator.

    It may defer the task with a trigger whose class the triggerer can import wherever it runs:
    ``method_name="resume"``, whatever it must know again in ``kwargs={"fence": …}``. ``run`` is then called once more.
    """

    def __init__(self, task: StepTask) -> None:
        """Do nothing yet."""

    def run(self, asked: Asked, ended: Mapping[str, Any] | None) -> dict[str, Any]:
        """Run the step to its end and return its result's fields.

        :param ended: after a deferral the trigger's ``event`` and the ``fence``, which is None under ``dag.test()``, since
            Airflow 3.3 forgets the ``kwargs`` there; None before
        :raises AirloopError: the step's own, or why it left no result
        """

    def on_kill(self) -> None:
        """End the step, with everything it started."""


def open_side(path: str, task: StepTask) -> Side:
    """The class that an executor names, made for a task.

    Imported here and nowhere else: who runs no pod needs no Kubernetes library.

    :raises SpecError: if it cannot be imported
    """
    module, _, name = path.partition(":")
    try:
        made = getattr(importlib.import_module(module), name)(task)
    except (ImportError, AttributeError) as error:
        raise SpecError(
            f"Airflow's half of the executor cannot be loaded: {error}",
            value=path,
            remedy="install its distribution where Airflow runs, with all that it requires",
        ) from error
    return cast("Side", made)
