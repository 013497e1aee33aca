"""The sizes of the house: a module is one noun, a function one thing."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.checkout import ROOT

#: Lines of a module, and of a function without its docstring.
MODULE, FUNCTION = 250, 40
ROOMS = ("include", "operators", "dags", "plugins")


def modules() -> list[Path]:
    return sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def functions(source: str) -> Iterator[tuple[str, int]]:
    """Each function with its lines: those of its docstring and of the functions in it are not its own."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, kinds):
            lines = lines_of(function)
            if ast.get_docstring(function) is not None:
                lines -= lines_of(function.body[0])
            inner = (one for one in ast.walk(function) if isinstance(one, kinds))
            yield function.name, lines - sum(lines_of(one) for one in inner if one is not function)


def lines_of(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_and_its_functions_are_short(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") < MODULE, "split it by its nouns"
    long = {name: lines for name, lines in functions(source) if lines > FUNCTION}
    assert long == {}


def test_control_a_long_function_is_seen() -> None:
    body = "\n".join(f"    x = {number}" for number in range(FUNCTION))
    assert dict(functions(f"def long():\n{body}\n")) == {"long": FUNCTION + 1}
    assert dict(functions('def told():\n    """One.\n\n    Two.\n    """\n    return 1\n')) == {
        "told": 2
    }


def test_the_top_level_holds_the_rooms_and_nothing_else() -> None:
    """What a run leaves behind, like MLflow's `mlruns`, is nobody's to commit."""
    listed = ["git", "ls-files", "-z"]
    files = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    folders = {file.partition("/")[0] for file in files.split("\0") if "/" in file}
    assert folders == {*ROOMS, "bench", "config", "docker", "docs", "scripts", "tests", ".ci"}
