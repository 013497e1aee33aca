"""Steps of a model's own: a module of the project that stands for a built-in step and keeps its contract."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

from airloop.contracts import Contract
from airloop.errors import SpecError
from airloop.exchange.step import StepRequest, StepResult
from airloop.execution.context import StepContext

Body = Callable[[Any, StepContext], StepResult]


def body_of(step: str, built_in: ModuleType, request: StepRequest, context: StepContext) -> Body:
    """What does the step: the module that the model's spec names, else the built-in one.

    The request and the result are the built-in step's: who starts the step reads what it always reads.

    :raises SpecError: if the module cannot be imported, or has no ``run``
    """
    path = _named(step, request, context)
    if path is None:
        body: Body = built_in.run
        return body
    run = _imported(step, path)

    def checked(request: StepRequest, context: StepContext) -> StepResult:
        result = run(request, context)
        kind: type[StepResult] = built_in.Result
        if not isinstance(result, kind):
            raise SpecError(
                f"a step of one's own returns what the built-in one does, airloop.steps.{step}.Result",
                value=type(result).__name__,
                where=f"{path}.run",
            )
        return result

    return checked


def _named(step: str, request: StepRequest, context: StepContext) -> str | None:
    about: Contract | None = getattr(request, "candidate", None)
    model = getattr(about, "model", None) or getattr(request, "model", None)
    if not model:
        return None
    return next((p for name, p in context.catalog.model(model).steps.items() if name == step), None)


def _imported(step: str, path: str) -> Body:
    try:
        run: Body = importlib.import_module(path).run
    # A module of the project may raise whatever it likes, and even exit.
    except (Exception, SystemExit) as error:
        raise SpecError(
            f"the step of one's own cannot be loaded: {type(error).__name__}: {error}",
            value=path,
            where=f"key steps.{step} of the model's spec",
            remedy="let the module define run(request, context)",
        ) from error
    return run
