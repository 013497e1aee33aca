"""`make judge` in its short form: every part gives its figures, and the page holds them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.judge import __main__ as command
from bench.judge.page import BEGIN, END, render, write
from bench.judge.trials import Share


def test_the_short_form_measures_and_what_is_kept_is_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--short", "--folder", str(tmp_path)]
    assert command.main(asked) == 0
    kept = {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("*.json")}
    worse, better = kept["short-weather-10--0.02"], kept["short-weather-10-+0.02"]
    assert worse["true"] == pytest.approx(-0.02, abs=0.002)
    assert worse["promoted"]["costly"] <= better["promoted"]["costly"]
    assert all(one["commit"] and one["at"] for one in kept.values())
    quiet = kept["short-decisions-none"]
    assert quiet["policies"]["never"]["trainings"] == 0
    assert set(quiet["gained"]) == {"by_gain", "by_gain, refitted"}
    monkeypatch.setattr(command, "_curve", None)
    monkeypatch.setattr(command, "_level", None)
    assert command.main(asked) == 0
    assert "weather-10-+0.02" in capsys.readouterr().out


def test_a_share_has_wilsons_interval() -> None:
    low, high = Share(8, 200).bounds
    assert (low, high) == (pytest.approx(0.0204, abs=1e-4), pytest.approx(0.0769, abs=1e-4))


def test_the_page_holds_every_part_between_its_marks(tmp_path: Path) -> None:
    part = {"trials": 10, "at": "2026-01-01 00:00 UTC", "commit": "abc"}
    kept = {
        "flights-14-+0.01": part | {"true": 0.0101, "promoted": {"costly": 5, "free": 10}},
        "flights-10--0.01": part | {"true": -0.01, "promoted": {"costly": 0, "free": 1}},
        "level-5": part | {"promoted": {"days": 1}},
    }
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write(kept, page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert render(kept) in text
    at_14 = "| 14 | +0.0101 | 50.0% (23.7% to 76.3%, n = 10) | 100.0% (72.2% to 100.0%, n = 10) |"
    assert text.index("| 10 | -0.0100 | 0.0%") < text.index(at_14)
    assert "| days | 10.0% (1.8% to 40.4%, n = 10) |" in text


def test_the_page_shows_every_series_beside_the_flights() -> None:
    figures = {"auc": 0.8, "log loss": 0.5, "trainings": 3, "promoted": 2, "cpu": 10.0}
    gain = {"mean": 0.01, "low": -0.001, "high": 0.02, "weeks": 40}
    part = {
        "at": "2026-01-01 00:00 UTC", "commit": "abc", "nights": 280,
        "policies": {"never": figures, "by_gain": figures},
        "gained": {"by_gain": gain}, "over never": {"by_gain": gain},
    }  # fmt: skip
    text = render(
        {"decisions-flights": part, "decisions-abrupt": part | {"told": "turns", "quiet": False}}
    )
    assert "| never | 0.8000 | 0.5000 | 3 | 2 | 10 |" in text
    assert "`by_gain` against *never*: +0.0100 (-0.0010 to +0.0200, 40 weeks) of AUC" in text
    assert "| **abrupt**: turns | 280 | 0.8000 (3) | 0.8000 (3) | +0.0100" in text
