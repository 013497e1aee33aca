"""What the README and the other pages promise: links lead somewhere, commands exist, diagrams name real DAGs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import typer.main

from airloop.cli.main import app
from airloop.plugins.registry import SEAMS
from airloop.specs import load_catalog
from tests.support.checkout import ROOT

PAGES = sorted(
    [
        *(ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING")),
        *(ROOT / "docs").rglob("*.md"),
    ]
)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)#\s]+)(#[^)]*)?\)")
#: Where the sources of a package lie.
FOLDERS = {"airloop": "include", "airloop_operators": "operators", "airloop_dags": "dags"}
#: Files, and tags of a run in MLflow.
NO_MODULES = {
    *(
        "airloop.yaml",
        "airloop.params",
        "airloop.usage",
        "airloop.as_of",
        "airloop.was",
        "airloop.gone",
    ),
    *(seam.group for seam in SEAMS),
}
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def shell_lines(page: Path) -> list[str]:
    """The commands that a page tells people to type."""
    blocks = [code for kind, code in _BLOCK.findall(page.read_text()) if kind in {"sh", "bash"}]
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def make_targets() -> set[str]:
    shown = subprocess.run(
        ["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {line.split()[1] for line in shown.stdout.splitlines()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = [target for target, _ in _LINK.findall(page.read_text())]
    broken = [
        target
        for target in targets
        if not target.startswith(("http://", "https://")) and not (page.parent / target).exists()
    ]
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist(page: Path) -> None:
    targets = make_targets()
    commands = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    for line in shell_lines(page):
        words = line.split()
        if words[0] == "make":
            assert words[1] in targets, line
        if words[0].endswith("airloop") and len(words) > 1 and not words[1].startswith("-"):
            assert words[1] in commands, line


def test_the_two_commands_stand_in_the_readme() -> None:
    assert {"make demo", "make test"} <= set(shell_lines(ROOT / "README.md"))


def test_make_help_describes_every_target() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony is not None
    assert make_targets() == set(phony.group(1).split())


def test_the_map_of_dags_names_those_that_are_made() -> None:
    text = (ROOT / "README.md").read_text()
    for name in load_catalog().dataset_names():
        assert f"ingest_{name}" in text
    for name in load_catalog().model_names():
        for kind in ("train", "deploy", "monitor", "score"):
            assert f"{kind}_{name}" in text


def test_python_3_10_is_told_what_is_missing(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\necho 3.10.13\n")
    old.chmod(0o755)
    shown = subprocess.run(
        ["sh", str(ROOT / "scripts" / "venv")],
        env={"PATH": "/usr/bin:/bin", "PYTHON": str(old)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 2
    assert "needs CPython 3.11" in shown.stderr
    assert "is 3.10.13" in shown.stderr
    assert shown.stderr.count("\n") == 1


def test_the_scripts_of_ci_and_hooks_can_be_run() -> None:
    for name in (".ci/run", "scripts/venv"):
        assert (ROOT / name).stat().st_mode & 0o111, name
    subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], check=True)
    subprocess.run(["sh", "-n", str(ROOT / "scripts" / "venv")], check=True)


def is_there(name: str) -> bool:
    """Whether a dotted name is a module, or a name in one, by its file: importing it may cost seconds."""
    place = ROOT.joinpath(FOLDERS[name.split(".")[0]], *name.split("."))
    source = place.parent.with_suffix(".py")
    if place.is_dir() or place.with_suffix(".py").is_file():
        return True
    defined = rf"^(class |def )?{place.name}\b"
    return source.is_file() and re.search(defined, source.read_text(), re.MULTILINE) is not None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_modules_that_a_page_names_are_there(page: Path) -> None:
    named = set(
        re.findall(
            r"(?<![\w./-])(airloop(?:_operators|_dags)?(?:\.[A-Za-z_]\w*)+)", page.read_text()
        )
    )
    assert [name for name in sorted(named - NO_MODULES) if not is_there(name)] == []


def test_a_module_that_is_gone_is_found() -> None:
    assert is_there("airloop.serving.service.Predictions")
    assert not is_there("airloop.serving.gone")
    assert not is_there("airloop.serving.service.Gone")
