"""A step of a model's own keeps the built-in one's contract, or is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airloop.contracts import Fence
from airloop.errors import SpecError
from airloop.execution.own import body_of
from airloop.steps import score
from airloop.testing import StepContract

FENCE = Fence(key="score:guess:2024-03-01", token=1)
RIGHT = """
from airloop.contracts import DatasetRef
from airloop.steps import score


def run(request, context):
    table = DatasetRef(
        name="t", uri="/t", version=0, partitions=(request.partition,), rows=0,
        digest="sha256:" + "0" * 64,
    )
    return score.Result(table=table, model_version=7, rows=0)
"""


def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, **steps: str) -> Any:
    """What stands for the step `score` of a model whose spec names these steps."""
    (tmp_path / "own_scoring.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "own_scoring", raising=False)
    catalog = SimpleNamespace(model=lambda _: SimpleNamespace(steps=steps))
    context: Any = SimpleNamespace(catalog=catalog)
    request = score.Request(fence=FENCE, model="guess", partition="2024-03-01")
    return body_of("score", score, request, context), request, context


def test_without_one_the_built_in_step_runs(monkeypatch: Any, tmp_path: Path) -> None:
    assert asked(monkeypatch, tmp_path, RIGHT)[0] is score.run
    assert asked(monkeypatch, tmp_path, RIGHT, train="own_scoring")[0] is score.run


def test_one_of_the_projects_own_is_called_instead(monkeypatch: Any, tmp_path: Path) -> None:
    body, request, context = asked(monkeypatch, tmp_path, RIGHT, score="own_scoring")
    assert body(request, context).model_version == 7


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("def run(request, context): return {'rows': 1}", "returns what the built-in one does"),
        ("raise RuntimeError('no')", "cannot be loaded: RuntimeError: no"),
        ("import sys; sys.exit(3)", "cannot be loaded: SystemExit: 3"),
        ("", "cannot be loaded: AttributeError"),
    ],
)
def test_one_that_keeps_no_contract_is_one_clear_error(
    monkeypatch: Any, tmp_path: Path, text: str, why: str
) -> None:
    def run() -> None:
        body, request, context = asked(monkeypatch, tmp_path, text, score="own_scoring")
        body(request, context)

    with pytest.raises(SpecError, match=why):
        run()


class TestTheBuiltInOnesKeepIt(StepContract):
    step = "score"
    module = "airloop.steps.score"
