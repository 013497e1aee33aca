"""Whether a project's modules have what its specs count on; they are read, never imported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from airloop.errors import SpecError
from airloop.issues import KeyPath, SpecIssue
from airloop.paths import code_folder
from airloop.registry.code.archive import pack
from airloop.registry.code.closure import closure
from airloop.renames import current
from airloop.specs.model import ModelSpec, metric_places
from airloop.specs.modules import find_module, read_module

#: What a model's module must define, and what it may.
REQUIRED_FUNCTIONS = ("features", "build")
OPTIONAL_FUNCTIONS = ("label",)


def own_code(spec: ModelSpec) -> list[SpecIssue]:
    """What is wrong with the steps, gates and metrics that the project brings itself."""
    found: list[SpecIssue] = []
    for step, module in spec.steps.items():
        found += function_issues(("steps", step), module, required=("run",), arguments=2)
    for index, own in enumerate(spec.gates.own):
        if isinstance(own, str):
            found += named_issues(("gates", "own", index), own)
    for path, metric in metric_places(spec):
        if ":" in metric:
            found += named_issues(path, metric)
    return found


def named_issues(path: KeyPath, target: str) -> list[SpecIssue]:
    """What is wrong with one function that a spec names as ``package.module:function``."""
    module, _, name = target.partition(":")
    return function_issues(path, module, required=(name,))


def function_issues(
    path: KeyPath,
    module: str,
    *,
    required: tuple[str, ...],
    optional: tuple[str, ...] = (),
    arguments: int = 1,
) -> list[SpecIssue]:
    """What is wrong with the functions a spec counts on, each called with so many arguments."""
    file = find_module(module)
    if file is None:
        file = _hiding(module)
    if file is None:
        remedy = f"write it below {code_folder()}, for instance as <package>/<name>.py"
        return [SpecIssue(path, "there is no such module", module, remedy)]
    if not file.is_relative_to(code_folder()):
        what = f"the module is not the project's: Python finds it in {file}"
        return [SpecIssue(path, what, module, "give the project's package another name")]
    try:
        source = read_module(file)
    except SpecError as error:
        return [SpecIssue(path, f"{error.what} ({error.where})", module)]
    found = []
    for name in (*required, *optional):
        definition = source.definitions.get(name)
        if definition is None and name in required and not source.open:
            what = f"the module has no function {name!r}"
            valid = tuple(known.name for known in source.definitions.values() if known.node)
            issue = SpecIssue(path, what, name, f"define it in {file}", valid)
            found.append(issue)
        elif definition is not None and (fault := definition.fault(arguments)):
            where = f"{file}:{definition.line}"
            found.append(SpecIssue(path, f"the function {name!r} {fault} ({where})", module))
    # One key holds them all, so they are told as one issue.
    return _joined(found)


def _hiding(module: str) -> Path | None:
    """What Python finds in place of the project's package of the same name, whose modules it then never finds."""
    package = module.partition(".")[0]
    found = find_module(package) if (code_folder() / package).exists() else None
    return None if found is None or found.is_relative_to(code_folder()) else found


def travel_issues(module: str) -> list[SpecIssue]:
    """What keeps a model's code from travelling with its versions."""
    try:
        pack(closure(current(module), code_folder()), module)
    except SpecError as error:
        what = f"{error.what} ({error.where})"
        return [SpecIssue(("module",), what, error.value, error.remedy)]
    return []


def _joined(found: list[SpecIssue]) -> list[SpecIssue]:
    if len(found) < 2:
        return found
    return [replace(found[0], what="; ".join(issue.what for issue in found))]
