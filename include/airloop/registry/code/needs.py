"""Which libraries a version's answers need of its own: what its modules import, and what that requires.

Airloop's own libraries are not among them: they come with whoever answers, are told where they differ, and the recorded
examples say whether that matters. Nor is what only ``build()`` or a label imports, which no answer runs.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from airloop.errors import SpecError
from airloop.registry.code.closure import RESERVED, foreign
from airloop.registry.code.lock import Lock, pin_of
from airloop.renames import current
from airloop.specs.model import ModelSpec
from airloop.specs.sections.tuning import builds

#: Airloop's own distribution, and the extras whose libraries are told as its own are.
_OURS = "airloop"
_EXTRAS = ("", "serving", "torch", "ray", "xgboost", "lightgbm", "catboost")
#: The one that nearly every model's module imports is not looked up by reading what all that is installed holds.
_KNOWN = {"sklearn": "scikit-learn"}


def needed(model: ModelSpec, root: Path) -> Lock | None:
    """What a model's module needs to answer, in the versions that are installed here; None where that is nothing.

    :param root: the folder below which the project's modules are
    :raises SpecError: if a library's version is no version
    """
    module = current(model.module)
    unasked = {"build", "label", *(model.outputs.functions if model.outputs is not None else ())}
    unasked |= {name for _, name in builds(model.model_dump())}
    tops = foreign(module, root, unasked)
    own = {canonicalize_name(name) for name in _distributions(tops)} - _named_by_airloop()
    if not own:
        return None
    found = _required(own, _of_airloop())
    try:
        pins = {pin_of(metadata.distribution(name)) for name in found}
    except InvalidVersion as error:
        raise SpecError(
            "a library that the model's code imports has a version that no installer knows",
            value=str(error),
            where=module,
        ) from error
    return Lock(tuple(sorted(pins))) if pins else None


def _distributions(tops: Iterable[str]) -> Iterator[str]:
    """The distributions that bring these top-level modules."""
    for top in sorted(set(tops) - set(sys.stdlib_module_names) - {*RESERVED, ""}):
        name = _KNOWN.get(top, top)
        if _there(name):
            yield name
        else:
            yield from _by_module().get(top, ())


def _required(names: Iterable[str], known: frozenset[str] = frozenset()) -> frozenset[str]:
    """Distributions with all that they require, of those that are installed, but for the known ones and theirs."""
    found: set[str] = set()
    waiting: deque[tuple[str, tuple[str, ...]]] = deque((name, ("",)) for name in names)
    while waiting:
        name, extras = waiting.popleft()
        name = canonicalize_name(name)
        if name in found or name in known or not _there(name):
            continue
        found.add(name)
        waiting.extend(_requirements(name, extras))
    return frozenset(found)


def _requirements(name: str, extras: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for line in metadata.requires(name) or ():
        try:
            one = Requirement(line)
        except InvalidRequirement:
            continue  # no installer follows it either
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras):
            yield one.name, ("", *sorted(one.extras))


@cache
def _named_by_airloop() -> frozenset[str]:
    """Airloop itself, and what it names: its trainers' libraries included."""
    names = (_OURS, *(name for name, _ in _requirements(_OURS, _EXTRAS)))
    return frozenset(canonicalize_name(name) for name in names)


@cache
def _of_airloop() -> frozenset[str]:
    """All that comes with it."""
    return _required(_named_by_airloop()) | _named_by_airloop()


def _there(name: str) -> bool:
    try:
        metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError):
        return False
    return True


@cache
def _by_module() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())
