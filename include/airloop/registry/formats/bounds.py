"""Indices read from a skops file, before and after it is built: what follows them in C does not look where they point.

skops can tell that a type is trusted, not that its content is sound: a file may hold any numbers, and the first answer would
crash the process, or read what is not its own.
"""

from __future__ import annotations

import functools
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from airloop.errors import ArtifactError
from airloop.registry.formats import boosted, grown, splines

_LOOKS = (boosted.outside, grown.outside, splines.outside)


def check_schema(path: Path) -> None:
    """Refuse a file that would build a tree with arguments of its own.

    :raises ArtifactError: if it would
    """
    with zipfile.ZipFile(path) as file:
        if grown.misbuilt(file, json.loads(file.read("schema.json"))):
            raise _refused("a tree", path)


def check_bounds(estimator: Any, path: Path) -> None:
    """Refuse trees and splines whose indices point outside their arrays, or back: they would crash or hang the process.

    :raises ArtifactError: if an index is out of bounds
    """
    for one in objects(estimator):
        for look in _LOOKS:
            if found := look(one):
                raise _refused(found, path)


def _refused(what: str, path: Path) -> ArtifactError:
    return ArtifactError(f"{what} of the model points outside itself", where=str(path))


def objects(root: Any) -> Iterator[Any]:
    """Every object inside an estimator, however deep it is nested, itself among them."""
    seen: dict[int, Any] = {}
    waiting = [root]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, str | bytes | int | float | type | None):
            continue
        seen[id(one)] = one  # kept: another object may not get its id meanwhile
        waiting.extend(_inside(one))
        if hasattr(one, "__dict__"):
            yield one


def _inside(one: Any) -> Iterator[Any]:
    if isinstance(one, dict):
        yield from one.values()
    elif isinstance(one, list | tuple | set | frozenset):
        yield from one
    elif isinstance(one, np.ndarray):
        yield from one.ravel().tolist() if one.dtype == object else ()
    elif isinstance(one, functools.partial):
        yield from (one.func, one.args, one.keywords)
    yield from getattr(one, "__dict__", {}).values()
