"""Parts come up side by side; the first that fails ends the wait, and what runs is furnished all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from airloop.devstack import launch, progress
from airloop.devstack.components import Component
from airloop.devstack.launch import Launch
from airloop.devstack.layout import Layout
from airloop.devstack.processes import MARK, read_records, stop
from airloop.errors import UnreachableError
from tests.support.progress import Told

STACK = f"launch-{os.getpid()}"


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Layout]:
    monkeypatch.setenv("AIRLOOP_PROJECT", str(tmp_path))
    made = Layout(tmp_path / "home")
    made.create()
    yield made
    stop(read_records(made.run).values(), STACK, patience=0)


def part(layout: Layout, name: str, code: str) -> Component:
    """A daemon that is well once its file is there."""
    well = layout.home / f"{name}.well"
    script = f"import pathlib, time\ndef well(): pathlib.Path({str(well)!r}).touch()\n{code}"
    return Component(
        name, f"part {name}", (sys.executable, "-c", script), lambda _: well.exists(), ""
    )


def run(layout: Layout, told: Told, *parts: Component, furnished: list[str]) -> None:
    Launch(layout, {**os.environ, MARK: STACK}, {}, told).run(
        list(parts), lambda: None, lambda: furnished.append("pools")
    )


STARTS = "well(); time.sleep(60)"


def test_all_parts_come_up_and_are_furnished(layout: Layout) -> None:
    told, furnished = Told(), list[str]()
    parts = part(layout, "airflow-api", STARTS), part(layout, "mlflow", STARTS)
    run(layout, told, *parts, furnished=furnished)
    assert sorted(told.done_notes) == ["airflow-api", "mlflow"]
    assert furnished == ["pools"]
    assert set(read_records(layout.run)) == {"airflow-api", "mlflow"}


def test_a_part_that_ends_says_its_last_lines_and_the_pools_are_made_all_the_same(
    layout: Layout,
) -> None:
    furnished: list[str] = []
    bad = part(layout, "mlflow", "print('one'); raise SystemExit('the port is taken')")
    api = part(layout, "airflow-api", f"time.sleep(1); {STARTS}")
    with pytest.raises(UnreachableError, match=r"ended while starting: one \| the port is taken"):
        run(layout, Told(), bad, api, furnished=furnished)
    assert furnished == ["pools"]


def test_a_part_that_does_nothing_is_given_up_with_its_log(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "STILL_SECONDS", 1.0)
    api = part(layout, "airflow-api", "print('waiting for Godot', flush=True); time.sleep(60)")
    with pytest.raises(UnreachableError, match="waiting for Godot"):
        run(layout, Told(), api, furnished=[])


def test_what_is_slow_is_told_while_it_is_waited_for(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "SLOW_SECONDS", 0.3)
    told = Told()
    api = part(layout, "airflow-api", f"print('reading', flush=True); time.sleep(1.5); {STARTS}")
    run(layout, told, api, furnished=[])
    assert told.slow_notes
    assert "still starting after" in told.slow_notes[-1]
    assert told.slow_notes[-1].endswith("reading")


def test_a_start_that_is_killed_before_the_record_leaves_no_daemon(tmp_path: Path) -> None:
    """It would hold the port, beside the one that the next start starts."""
    began = tmp_path / "began"
    script = f"""
import os, sys, pathlib
from airloop.devstack import processes
processes.ProcessRecord.write = lambda self, folder: os._exit(9)
folder = pathlib.Path({str(tmp_path)!r})
processes.start("part", ["/usr/bin/touch", {str(began)!r}], env={{}}, cwd=folder, log=folder / "log", folder=folder)
"""
    done = subprocess.run([sys.executable, "-c", script], check=False)
    assert done.returncode == 9
    assert read_records(tmp_path) == {}
    # With its record it begins, so that the file would be there.
    done = subprocess.run(
        [sys.executable, "-c", script.replace("os._exit(9)", "None")], check=False
    )
    assert done.returncode == 0
    record = tmp_path / "log"
    while not began.exists():
        assert not record.read_text()
    assert began.stat().st_mtime_ns
