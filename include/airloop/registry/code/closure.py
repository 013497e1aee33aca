"""Which of a project's files a model's module imports: read from the sources, none of them is run.

Every import statement counts, one inside a function too, and ``importlib.import_module`` with a text. What is loaded by
a path instead of a name would not travel, so it is refused.
"""

from __future__ import annotations

import ast
import site
import sys
import sysconfig
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TypeAlias

from airloop.errors import SpecError

#: Names that would stand for Airloop's own, or for another version's code.
RESERVED = ("airloop", "airloop_dags", "airloop_operators", "airloop_plugins", "airloop_versions")
#: Calls by which code is loaded from a path.
_BY_PATH = {"spec_from_file_location", "SourceFileLoader", "run_path", "addsitedir"}
_CHANGES = {"append", "insert", "extend"}
#: Where a module imports something, and what.
_Import: TypeAlias = tuple[ast.stmt | ast.expr, str]


@dataclass(frozen=True)
class Source:
    """One module's file."""

    path: Path
    package: bool


def closure(module: str, root: Path) -> dict[str, Source]:
    """The project's modules that one needs, itself and its packages included, by their names.

    :param root: the folder below which the project's modules are
    :returns: nothing if the module itself lies elsewhere
    :raises SpecError: if a file is not Python, has a name that is taken, or loads code by its path
    """
    found: dict[str, Source] = {}
    for name, source, imports in _reached(module, root):
        _check_name(name, source)
        _check_imports(source, imports, root)
        found[name] = source
    return found


def foreign(module: str, root: Path, without: Collection[str] = ()) -> frozenset[str]:
    """The top-level names that are imported by a project's module and those of the project that it needs, and not theirs.

    :param without: functions of the module whose imports do not count
    :raises SpecError: if a file is not Python
    """
    return frozenset(
        wanted.partition(".")[0]
        for _, _, imports in _reached(module, root, without)
        for _, wanted in imports
        if not is_own(wanted, root)
    )


def _reached(
    module: str, root: Path, without: Collection[str] = ()
) -> Iterator[tuple[str, Source, list[_Import]]]:
    """Each module of the project that one needs, with what it imports."""
    seen: set[str] = set()
    waiting = [module] if is_own(module, root) else []
    while waiting:
        for part in _with_parents(waiting.pop()):
            source = _file(part, root)
            if part in seen or source is None:
                continue
            seen.add(part)
            tree = _tree(source.path)
            if part == module:
                tree.body = [node for node in tree.body if not _is_function(node, without)]
            imports = list(_named(tree, part, source.package))
            yield part, source, imports
            waiting += [wanted for _, wanted in imports if is_own(wanted, root)]


def _is_function(node: ast.stmt, names: Collection[str]) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name in names


def _check_imports(source: Source, imports: list[_Import], root: Path) -> None:
    for node, wanted in imports:
        if not is_own(wanted, root) and (place := _astray(wanted, root)) is not None:
            raise SpecError(
                f"the model's code imports {wanted.partition('.')[0]} from outside its project",
                value=place,
                where=f"{source.path}:{node.lineno}",
                remedy=f"move it below {root}, where it travels with the version, or install it as a package",
            )


def _named(tree: ast.Module, name: str, package: bool) -> Iterator[_Import]:
    """Every name that a module imports anywhere, absolute."""
    home = name if package else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node.module or "", node.level, home)
            yield node, base
            yield from ((node, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Assign) and _targets(node, "__all__"):
            # `from package import *` imports the submodules that its __all__ names.
            for text in ast.walk(node.value):
                if package and isinstance(text, ast.Constant) and isinstance(text.value, str):
                    yield node, f"{home}.{text.value}"
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                level = len(first.value) - len(first.value.lstrip("."))
                yield node, _absolute(first.value.lstrip("."), level, home)


def _absolute(name: str, level: int, home: str) -> str:
    if not level:
        return name
    base = ".".join(home.split(".")[: len(home.split(".")) - level + 1])
    return f"{base}.{name}" if name else base


def _tree(path: Path) -> ast.Module:
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except (SyntaxError, ValueError, RecursionError, OSError) as error:
        line = getattr(error, "lineno", None)
        at = f"{path}:{line}" if line else str(path)
        raise SpecError(f"the module cannot be read: {error}", where=at) from error
    for node in ast.walk(tree):
        if _loads_by_path(node):
            raise SpecError(
                "the model's code loads other code by its path, which would not travel with a version",
                value=ast.unparse(node)[:200],
                where=f"{path}:{getattr(node, 'lineno', '?')}",
                remedy="import it by its name",
            )
    return tree


def _loads_by_path(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        changed = node.func.value if isinstance(node.func, ast.Attribute) else None
        return _called(node) in _BY_PATH or (_called(node) in _CHANGES and _is_path(changed))
    if isinstance(node, ast.Assign):
        return any(_is_path(one) for one in node.targets)
    return isinstance(node, ast.AugAssign) and _is_path(node.target)


def _is_path(node: ast.expr | None) -> bool:
    """Whether it is ``sys.path``, or a part of it."""
    if isinstance(node, ast.Subscript):
        return _is_path(node.value)
    return (
        isinstance(node, ast.Attribute)
        and node.attr == "path"
        and isinstance(node.value, ast.Name)
        and node.value.id == "sys"
    )


def _called(node: ast.Call) -> str:
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _targets(node: ast.Assign, name: str) -> bool:
    return any(isinstance(one, ast.Name) and one.id == name for one in node.targets)


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts) + 1))


def _file(name: str, root: Path) -> Source | None:
    """The file of a module below the root; None for a folder without ``__init__.py``, and for what is no module."""
    place = root.joinpath(*name.split("."))
    if (place / "__init__.py").is_file():
        return Source(place / "__init__.py", package=True)
    file = place.with_name(place.name + ".py")
    return Source(file, package=False) if file.is_file() else None


def is_own(name: str, root: Path) -> bool:
    """Whether Python finds a name's package in the project, behind which all that is installed has precedence."""
    top = name.partition(".")[0]
    spec = _found(top, root) if top and top not in RESERVED else None
    return spec is not None and any(place.is_relative_to(root) for place in spec)


def _astray(name: str, root: Path) -> str | None:
    """Where a module lies that is neither the project's, nor Python's, nor installed; None if it is one of these."""
    top = name.partition(".")[0]
    if not top or top in sys.stdlib_module_names or top in RESERVED:
        return None
    from importlib.metadata import packages_distributions

    places = _found(top, root) or ()
    roots = [*site.getsitepackages(), site.getusersitepackages(), *sysconfig.get_paths().values()]
    if not places or any(place.is_relative_to(one) for place in places for one in roots):
        return None
    return None if top in packages_distributions() else str(places[0])


def _found(top: str, root: Path) -> tuple[Path, ...] | None:
    spec = PathFinder.find_spec(top, [*sys.path, str(root)])
    if spec is None:
        return None
    places = [
        *(spec.submodule_search_locations or ()),
        *([spec.origin] if spec.has_location else []),
    ]
    return tuple(Path(str(place)) for place in places)


def _check_name(name: str, source: Source) -> None:
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top in RESERVED:
        raise SpecError(
            "a package of the model's code bears a name that is taken",
            value=top,
            where=str(source.path),
            remedy="give the project's package another name",
        )
