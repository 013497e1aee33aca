"""CONTRIBUTING.md leads to what is there: folders, rooms, make targets, and a test without torch."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

from tests.docs.test_readme import make_targets, shell_lines
from tests.support.checkout import ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_every_folder_and_file_that_it_names_is_there() -> None:
    named = set(
        re.findall(
            r"`((?:include|operators|dags|docs|docker|bench|scripts|tests|config)/[\w./]*)`", PAGE
        )
    )
    assert {"include/airloop/steps/", "docs/adr/"} <= named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_every_room_is_in_the_table() -> None:
    table = PAGE.split("The rooms of `airloop`")[1].split("## Where")[0]
    told = set(re.findall(r"`(\w+)/`", table))
    rooms = {path.parent.name for path in (ROOT / "include" / "airloop").glob("*/__init__.py")}
    assert told == rooms


def test_every_make_target_exists() -> None:
    assert set(re.findall(r"`make ([a-z-]+)`", PAGE)) <= make_targets() | {"help"}


def test_the_one_test_passes_without_torch() -> None:
    (command,) = [line for line in shell_lines(ROOT / "CONTRIBUTING.md") if "pytest" in line]
    (path,) = [word for word in shlex.split(command) if word.startswith("tests/")]
    code = (
        "import sys; sys.modules['torch'] = None\n"
        f"import pytest; sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', {path!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
