"""The table of the benches: verdicts by code, a line for whatever became of a row, the page written from full sizes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import __main__ as command
from bench import apart, demo, table
from bench.catalogue import ROWS
from bench.row import Row, State, Target
from tests.support.checkout import ROOT

ROW = Row("a thing", "another", (Target("ratio", "{} ×", most=2.0), Target("kept", "{}", least=1)))
KEPT = {"load": "0.1 / 0.1", "took": 3.2, "at": "2026-01-01 00:00 UTC", "commit": "abc",
        "cores": "2 cores", "versions": "numpy 2", "short": False}  # fmt: skip


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({"ratio": 1.9, "kept": 1}, State.GREEN),
        ({"ratio": 2.1, "kept": 1}, State.RED),
        ({"ratio": 2.1}, State.RED),
        ({"ratio": 1.9}, State.UNKNOWN),
        ({"ratio": float("nan"), "kept": 1}, State.UNKNOWN),
    ],
)
def test_green_needs_every_target_and_red_only_one(values: dict[str, float], state: State) -> None:
    assert ROW.state({"values": values}) == state


def test_a_missed_figure_stands_out_and_one_that_is_not_there_is_a_question_mark() -> None:
    assert ROW.measured({"values": {"ratio": 2.5}}) == "**2.50 ×**; ?"


def test_a_side_tells_what_is_known_of_it() -> None:
    values = {"ratio": 1.0, "kept": 1}
    sides = {"all": {"wall": 344.0, "cpu": None, "peak_mb": None}, "one": {"wall": 2.0, "cpu": 1.0}}
    told = ROW.measured({"values": values, "sides": sides})
    assert told == "1.00 ×; 1.00; all 344 s; one 2.00 s (1.00 s CPU)"


@pytest.mark.parametrize("name", ROWS)
def test_every_row_has_a_target_that_can_be_missed_and_a_bench(name: str) -> None:
    assert ROWS[name].targets
    for target in ROWS[name].targets:
        bounds = [bound for bound in (target.most, target.least) if bound is not None]
        assert bounds
        assert "{}" in target.words
        assert target.met(bounds[0])
        assert False in (target.met(-1e9), target.met(1e9))
    source = (ROOT / "bench" / f"{name}.py").read_text(encoding="utf-8")
    assert "def measure(short: bool = False" in source
    assert all(f'"{one.figure}"' in source or name == "serving" for one in ROWS[name].targets)


def test_a_library_that_is_missing_or_a_bench_that_raises_is_a_line_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers: dict[str, Any] = {
        "bench.gx:measure": apart.MissingError("great_expectations is not installed"),
        "bench.rows:measure": apart.BrokenError("Traceback\nValueError: no | rows"),
        "bench.specs:measure": {"values": {"ratio": 1.0}},
    }

    def call(function: str, **_: Any) -> Any:
        if isinstance(answers[function], Exception):
            raise answers[function]
        return answers[function]

    monkeypatch.setattr(command, "call", call)
    assert command.main(["gx", "rows", "specs", "--folder", str(tmp_path)]) == 1
    lines = (tmp_path / "table.md").read_text(encoding="utf-8").splitlines()
    told = {line.split("`")[1]: line for line in lines if line.startswith("| `")}
    assert "great_expectations is not installed | not measurable" in told["gx"]
    assert "ValueError: no / rows | **broke**" in told["rows"]
    assert "1.000 × the CPU | green" in told["specs"]
    assert capsys.readouterr().out.count("| `") == 3
    assert set(json.loads((tmp_path / "figures.json").read_text())) == {"gx", "rows", "specs"}


def test_an_unknown_row_is_refused_with_those_that_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        command.main(["servnig"])
    assert "no such row: servnig; there are serving, " in capsys.readouterr().err


def test_the_page_gets_full_sizes_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, kept = tmp_path / "page.md", tmp_path / "benchmarks.json"
    page.write_text(f"before\n{table.BEGIN}\nan older one\n{table.END}\nafter\n", encoding="utf-8")
    monkeypatch.setattr(command, "PAGE", page)
    monkeypatch.setattr(command, "FIGURES", kept)
    figures = {"values": {"ratio": 1.05}}
    rows = {
        "specs": KEPT | {"state": "green", "figures": figures},
        "tuning": KEPT | {"state": "green", "figures": figures, "short": True},
    }
    (tmp_path / "figures.json").write_text(json.dumps(rows), encoding="utf-8")
    assert command.main(["--docs", "--folder", str(tmp_path)]) == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "an older one" not in text
    assert "1.050 × the CPU | green | 0.1 / 0.1 | 3 s | 2026-01-01 00:00 UTC, abc |" in text
    assert set(json.loads(kept.read_text())) == {"specs"}


def test_the_page_as_it_stands_was_written_by_the_command() -> None:
    kept = json.loads(command.FIGURES.read_text(encoding="utf-8"))
    text = command.PAGE.read_text(encoding="utf-8")
    assert table.render(kept, command.PAGE) == text


def test_the_demos_clone_is_led_to_nothing_of_this_checkout() -> None:
    here = {"PATH": "/bin", "AIRLOOP_HOME": "/h", "PYTHONPATH": str(ROOT), "VIRTUAL_ENV": "/v"}
    assert demo.foreign(here) == {"PATH": "/bin"}


def test_a_function_apart_answers_or_says_why_not() -> None:
    assert apart.call("bench.machine:slowness") >= 1.0
    with pytest.raises(apart.BrokenError, match="TypeError"):
        apart.call("bench.machine:slowness", nonsense=1)
    with pytest.raises(apart.MissingError, match=r"bench.nothing is not installed: make"):
        apart.call("bench.nothing:measure")


def test_a_function_that_takes_too_long_is_ended() -> None:
    with pytest.raises(apart.BrokenError, match="longer than"):
        apart.call("subprocess:run", limit=0.5, args=["sleep", "60"])
