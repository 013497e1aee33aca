"""What a replay keeps on disk is taken again only where nothing has changed that it was made from."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

from airloop.contracts import GateReport, Outcome
from airloop.features.transform import model_module
from airloop.registry import lineage
from airloop.replay import past as pasts
from airloop.replay.fits import Fits, Made
from airloop.replay.judges import Judges
from airloop.replay.past import Past
from airloop.storage.files import Files
from tests.unit.replay.conftest import TURN, MakePast, world

#: A gate of a project's own; what it says, and whether it can, stands in a file beside it.
GATE = """
from pathlib import Path

from airloop.contracts import Check, Outcome


def mine(case):
    said = Path(__file__).with_suffix(".txt").read_text()
    return Check(name="mine", outcome=Outcome.OK, reason=said)
"""


def name(past: Past, folder: Path) -> str:
    return Fits(past, folder).name(Made(40))


@pytest.mark.parametrize("function", ["features", "label", None])
def test_a_model_is_another_where_a_helper_of_its_module_makes_other_values(
    past: MakePast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str | None
) -> None:
    one = past(None)
    module = model_module(one.model)
    if function:
        # The module's own text stays, as where the code that was edited is what it imports.
        old = getattr(module, function, lambda rows: rows[one.model.target.column])
        monkeypatch.setattr(module, function, lambda rows: 1 - old(rows), raising=False)
    again = pasts.of(one.model, one.dataset, world(None))
    assert again.frame.equals(one.frame)
    assert (name(again, tmp_path) == name(one, tmp_path)) is (function is None)


def test_a_model_is_another_where_its_features_have_other_names(
    past: MakePast, tmp_path: Path
) -> None:
    one = past(None)
    named = dataclasses.replace(one, features=one.features.add_prefix("new_"))
    assert name(named, tmp_path) != name(one, tmp_path)


def test_a_model_is_another_where_a_library_is(
    past: MakePast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = past(None)
    before = name(one, tmp_path)
    newer = lineage.library_versions() | {"scikit-learn": "99"}
    monkeypatch.setattr(lineage, "library_versions", lambda: newer)
    assert name(one, tmp_path) != before


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The module of the project's own gate; ``.txt`` beside it is what it says."""
    file = tmp_path / "own_gate_of_a_replay.py"
    file.write_text(GATE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, file.stem, raising=False)
    return file


def asked(one: Past, gate: Path) -> GateReport:
    """What a new replay says of a good candidate: it has seen the world turn over, the champion has not."""
    own = one.model.gates.model_copy(update={"own": (f"{gate.stem}:mine",)})
    judged = dataclasses.replace(one, model=one.model.model_copy(update={"gates": own}))
    kept = gate.parent / "cache"
    return Judges(Fits(judged, kept), Files(str(kept), {}, "the cache")).ask(
        Made(TURN + 20), Made(40)
    )


def test_a_report_is_kept_until_the_text_of_an_own_gate_changes(past: MakePast, gate: Path) -> None:
    said, one = gate.with_suffix(".txt"), past(TURN)
    said.write_text("first")
    first = asked(one, gate)
    assert first.checks[-1].reason == "first"
    said.write_text("second")
    assert asked(one, gate) == first
    gate.write_text(f"{GATE}\n# Edited.\n")
    assert asked(one, gate).checks[-1].reason == "second"


def test_a_gates_accident_is_not_kept(past: MakePast, gate: Path) -> None:
    one = past(TURN)
    first = asked(one, gate)  # what it reads is not there
    assert first.outcome is Outcome.UNKNOWN
    assert "FileNotFoundError" in first.checks[-1].reason
    gate.with_suffix(".txt").write_text("there")
    assert asked(one, gate).checks[-1].outcome is Outcome.OK
