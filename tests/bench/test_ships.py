"""The chance that a training ships, measured in its short form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import section, ships


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judge")
    assert ships.main(["--short", "--folder", str(folder)]) == 0
    return folder


def test_every_world_is_told_with_and_without_the_bound(short: Path) -> None:
    found = json.loads((short / "short-ships.json").read_text())
    assert set(found["worlds"]) == set(ships.WORLDS)
    for world in found["worlds"].values():
        assert world["with"]["trained"] <= world["without"]["trained"]
    closed = found["worlds"]["closed"]
    assert closed["with"]["trained"] < closed["without"]["trained"]
    assert found["commit"]


def test_the_page_holds_the_tables_between_its_marks(short: Path) -> None:
    found = json.loads((short / "short-ships.json").read_text())
    begin, end = section.marks("ships")
    page = f"before {begin}\nstale\n{end} after"
    text = section.placed(page, "ships", ships.render(found))
    assert text.startswith("before ")
    assert text.endswith(" after")
    assert "stale" not in text
    assert "| **closed**: 97 % are refused |" in text
    assert "| 0% to 10% |" in text


def test_what_is_kept_is_not_measured_again(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ships, "measured", None)
    assert ships.main(["--short", "--folder", str(short)]) == 0


def test_a_history_is_the_same_twice() -> None:
    world = ships.WORLDS["strict"]
    assert ships.play(world, [ships.TUNED, 1, 1], 0.1, 120) == ships.play(
        world, [ships.TUNED, 1, 1], 0.1, 120
    )
