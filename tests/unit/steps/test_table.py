"""The table of the steps in the package's own words says what their classes say."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest

from airloop import steps
from airloop.exchange.step import IN_OUR_ENVIRONMENT, StepRequest, StepResult


def table() -> dict[str, tuple[set[str], set[str]]]:
    """Each step's names of request and result, as the docstring has them."""
    text = inspect.cleandoc(steps.__doc__ or "")
    rule = next(line for line in text.splitlines() if line.startswith("==="))
    bounds = [match.span() for match in re.finditer("=+", rule)]
    rows: dict[str, tuple[str, str]] = {}
    step = ""
    for line in text.split(rule)[2].strip("\n").splitlines():
        name, request, result = (
            line[start:end].strip() for start, end in [*bounds[:2], (bounds[2][0], None)]
        )
        step = name or step
        before = rows.get(step, ("", ""))
        rows[step] = (f"{before[0]} {request}", f"{before[1]} {result}")
    return {step: (_names(request), _names(result)) for step, (request, result) in rows.items()}


def _names(cell: str) -> set[str]:
    outside = re.sub(r"\([^)]*\)", "", cell)
    names: set[str] = set()
    for part in re.split(r",(?![^\[]*\])", outside):
        names |= {part.split(":")[0].strip()}
    return names - {""}


def fields(step: str) -> tuple[set[str], set[str]]:
    module = importlib.import_module(f"airloop.steps.{step}")
    assert issubclass(module.Request, StepRequest)
    assert issubclass(module.Result, StepResult)
    assert callable(module.run)
    return set(module.Request.model_fields) - {"fence"}, set(module.Result.model_fields)


@pytest.mark.parametrize("step", steps.STEPS)
def test_a_steps_row_names_its_fields(step: str) -> None:
    assert table()[step] == fields(step)


def test_the_table_has_no_other_rows() -> None:
    assert set(table()) == set(steps.STEPS)
    assert set(IN_OUR_ENVIRONMENT) <= set(steps.STEPS)
