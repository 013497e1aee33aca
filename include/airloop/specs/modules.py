"""A user's modules, read without importing them: which functions they define, and what those take."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

from airloop.errors import SpecError
from airloop.paths import code_folder
from airloop.renames import current


@dataclass(frozen=True)
class Definition:
    """A name that a module defines at its top level."""

    name: str
    line: int
    #: The function's own node; None for what is imported or assigned, whose signature is not known.
    node: ast.FunctionDef | ast.AsyncFunctionDef | None = None

    def fault(self, arguments: int = 1) -> str:
        """Why it cannot be called with so many positional arguments; empty if it can, or none knows."""
        if self.node is None:
            return ""
        if isinstance(self.node, ast.AsyncFunctionDef):
            return "is async; it must be a plain function"
        spec = self.node.args
        most = len(spec.posonlyargs) + len(spec.args)
        least = most - len(spec.defaults)
        bare = [
            argument.arg
            for argument, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True)
            if default is None
        ]
        if bare:
            return f"needs the keyword argument {bare[0]}, which nobody gives"
        if least > arguments or (most < arguments and spec.vararg is None):
            return f"takes {most} arguments; it is called with {arguments}"
        return ""


@dataclass(frozen=True)
class ModuleSource:
    """A module's file and what it defines."""

    path: Path
    definitions: dict[str, Definition]
    #: Whether it imports ``*``: then any name may be there.
    open: bool


def find_module(name: str) -> Path | None:
    """The file of a module, found as a step would but without running its packages.

    :returns: None if there is no such module, or it is not written in Python
    """
    search = [*sys.path, str(code_folder())]
    parts = current(name).split(".")
    for depth in range(1, len(parts) + 1):
        try:
            spec = PathFinder.find_spec(".".join(parts[:depth]), search)
        except (ImportError, OSError, ValueError):
            return None
        if spec is None:
            return None
        search = list(spec.submodule_search_locations or ())
        if not search and depth < len(parts):
            return None
    origin = Path(spec.origin) if spec is not None and spec.origin else None
    return origin if origin is not None and origin.suffix == ".py" else None


def read_module(path: Path) -> ModuleSource:
    """What a module's file defines at its top level.

    :raises SpecError: if the file cannot be read or is not Python
    """
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except (SyntaxError, ValueError, RecursionError, OSError) as error:
        line = getattr(error, "lineno", None)
        at = f"{path}, line {line}" if line else str(path)
        raise SpecError(f"the module is not valid Python: {error}", where=at) from error
    found: dict[str, Definition] = {}
    everything = False
    for node in _top(tree.body):
        for definition in _definitions(node):
            everything |= definition.name == "*"
            found[definition.name] = definition
    return ModuleSource(path, found, everything)


def _top(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when the module is imported, those in if, try and with included."""
    for node in body:
        yield node
        for name in ("body", "orelse", "finalbody"):
            if isinstance(node, ast.If | ast.Try | ast.With):
                yield from _top(getattr(node, name, []))
        if isinstance(node, ast.Try):
            for handler in node.handlers:
                yield from _top(handler.body)


def _definitions(node: ast.stmt) -> Iterator[Definition]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        yield Definition(node.name, node.lineno, node)
    elif isinstance(node, ast.ClassDef):
        yield Definition(node.name, node.lineno)
    elif isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            yield Definition((alias.asname or alias.name).split(".")[0], node.lineno)
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if isinstance(target, ast.Name):
                yield Definition(target.id, node.lineno)
