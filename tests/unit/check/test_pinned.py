"""Models that the service is to keep in memory: each has a spec, or `airloop check` says which has none."""

from __future__ import annotations

import shutil
from pathlib import Path

from airloop.check.project import settings_problems
from tests.support.checkout import ROOT


def _with(folder: Path, *pinned: str) -> Path:
    config = folder / "config"
    shutil.copytree(ROOT / "config", config)
    with (config / "airloop.yaml").open("a", encoding="utf-8") as file:
        file.write(f"serving:\n  memory: 2Gi\n  pinned: [{', '.join(pinned)}]\n")
    return config


def test_one_that_has_no_spec_is_one_error_with_its_line(tmp_path: Path) -> None:
    config = _with(tmp_path, "flight_delay", "flight_dealy")
    [problem] = settings_problems(config)
    assert "there is no such model" in str(problem)
    assert "flight_dealy" in str(problem)
    assert "flight_delay" in str(problem)
    assert problem.line == len((config / "airloop.yaml").read_text(encoding="utf-8").splitlines())


def test_those_that_have_one_are_none(tmp_path: Path) -> None:
    assert settings_problems(_with(tmp_path, "flight_delay")) == []
