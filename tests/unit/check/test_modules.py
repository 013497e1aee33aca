"""What `airloop check` reads of the code that a project brings: steps, gates and metrics, none of it imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airloop.check.modules import own_code, travel_issues
from airloop.testing.specs import toy_model

JUDGING = """
raise RuntimeError("nobody imports this")


def run(request, context):
    ...


def calm(case):
    ...


class Missed:
    ...
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "airloop.yaml").write_text("")
    (tmp_path / "include" / "harbour").mkdir(parents=True)
    for name, text in {
        "judging": JUDGING,
        "alone": "def run(request):\n    ...\n",
        "empty": "",
        "torn": "def run(:\n",
    }.items():
        (tmp_path / "include" / "harbour" / f"{name}.py").write_text(text)
    monkeypatch.setenv("AIRLOOP_PROJECT", str(tmp_path))


def told(**keys: Any) -> list[tuple[str, str]]:
    return [(one.key, one.what.split(" (")[0]) for one in own_code(toy_model(**keys))]


def test_nothing_is_said_of_what_is_there() -> None:
    gates = {"own": ["harbour.judging:calm"], "primary": "harbour.judging:Missed"}
    assert (
        told(steps={"evaluate": "harbour.judging", "score": "harbour.judging"}, gates=gates) == []
    )


@pytest.mark.parametrize(
    ("module", "what"),
    [
        ("harbour.nothing", "there is no such module"),
        ("harbour.empty", "the module has no function 'run'"),
        ("harbour.alone", "the function 'run' takes 1 arguments; it is called with 2"),
        ("harbour.torn", "the module is not valid Python"),
        ("json.decoder", "the module is not the project's: Python finds it in"),
        ("airloop.judging", "there is no such module"),
        ("airloop.errors", "the module is not the project's: Python finds it in"),
    ],
)
def test_a_step_of_the_projects_own_that_could_not_be_called_is_told(
    module: str, what: str
) -> None:
    ((key, said),) = told(steps={"evaluate": module})
    assert key == "steps.evaluate"
    assert said.startswith(what)


def test_a_package_of_the_projects_that_is_named_airloop_is_not_taken_for_its_own(
    tmp_path: Path,
) -> None:
    (tmp_path / "include" / "airloop").mkdir()
    for name in ("__init__", "errors", "judging"):
        (tmp_path / "include" / "airloop" / f"{name}.py").write_text(
            "def run(request, context): ..."
        )
    found = [
        issue
        for name in ("errors", "judging")
        for issue in own_code(toy_model(steps={"evaluate": f"airloop.{name}"}))
    ]
    assert [one.what.split(":")[0] for one in found] == ["the module is not the project's"] * 2
    assert {one.remedy for one in found} == {"give the project's package another name"}


def test_a_gate_and_a_metric_that_are_not_there_are_told_by_their_places() -> None:
    gates = {"own": ["harbour.judging:calm", "harbour.judging:gone"], "primary": "harbour.empty:M"}
    assert told(gates=gates) == [
        ("gates.own[1]", "the module has no function 'gone'"),
        ("gates.primary", "the module has no function 'M'"),
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("import sys\nsys.path.append('..')\n", "would not travel with a version"),
        ("import harbour.torn\n", "cannot be read"),
        (f"TABLE = '{'x' * 1_000_000}'\n", "may travel with a version"),
    ],
)
def test_code_that_could_not_travel_is_told_before_any_training(
    tmp_path: Path, text: str, what: str
) -> None:
    (tmp_path / "include" / "harbour" / "going.py").write_text(text)
    (issue,) = travel_issues("harbour.going")
    assert what in issue.what
    assert issue.key == "module"
    assert "harbour" in issue.what or "harbour" in str(issue.value)


def test_code_that_can_travel_is_not_spoken_of() -> None:
    assert travel_issues("harbour.judging") == []
    assert travel_issues("json") == []
