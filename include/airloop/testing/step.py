"""The contract of steps of a project's own."""

from __future__ import annotations

import importlib
import inspect
from typing import ClassVar


class StepContract:
    """Subclass it with ``step``, the built-in step's name, and ``module``, the one that stands for it."""

    step: ClassVar[str]
    module: ClassVar[str]

    def test_it_is_called_as_the_built_in_one_is(self) -> None:
        """``run(request, context)``."""
        run = importlib.import_module(self.module).run
        inspect.signature(run).bind(object(), object())

    def test_it_has_no_request_or_result_of_its_own(self) -> None:
        """Who starts the step knows the built-in one's alone."""
        own = importlib.import_module(self.module)
        built_in = importlib.import_module(f"airloop.steps.{self.step}")
        for name in ("Request", "Result"):
            assert getattr(own, name, None) in {None, getattr(built_in, name)}
