"""Models and datasets that cannot be worked with, and why: what the page and `airloop status` say of them.

Less than `airloop check` looks at, and cheap enough for every view: the specs, and whether each model's module is Python.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from airloop.errors import AirloopError, SpecError
from airloop.paths import code_folder
from airloop.specs.catalog import Catalog, CatalogEntry
from airloop.specs.model import ModelSpec
from airloop.specs.modules import find_module, read_module
from airloop.specs.pools import read_pools

#: Modules whose last reading is remembered.
_MODULES = 4_096


def models(catalog: Catalog) -> tuple[CatalogEntry[ModelSpec], ...]:
    """Every model of the catalogue; one is wrong, too, whose module is not there or not Python.

    :raises SpecError: if the catalogue's folders cannot be listed
    """
    return tuple(_with_module(entry) for entry in catalog.models())


def sentences(catalog: Catalog) -> tuple[str, ...]:
    """One for each fault, with all that stops for it."""
    stopped: dict[str, list[str]] = {}
    try:
        for dataset in catalog.datasets():
            if dataset.error is not None:
                stopped.setdefault(str(dataset.error), []).append(f"dataset {dataset.name}")
        for model in models(catalog):
            if model.error is not None:
                stopped.setdefault(str(model.error), []).append(f"model {model.name}")
    except SpecError as error:
        return (str(error),)
    found = [f"{', '.join(names)}: {message}" for message, names in stopped.items()]
    try:
        read_pools(catalog.folder)
    except SpecError as error:
        found.append(f"the pools stay as they are: {error}")
    return tuple(found)


def _with_module(entry: CatalogEntry[ModelSpec]) -> CatalogEntry[ModelSpec]:
    if entry.spec is None:
        return entry
    error = _module_error(entry.spec.module, entry.path)
    return entry if error is None else CatalogEntry(entry.name, entry.path, error=error)


def _module_error(module: str, spec: Path) -> AirloopError | None:
    file = find_module(module)
    if file is None:
        return SpecError(
            "there is no such module",
            value=module,
            where=f"{spec}, key module",
            remedy=f"write it below {code_folder()}",
        )
    try:
        status = file.stat()
    except OSError as error:
        return SpecError("the module cannot be read", value=error.strerror, where=str(file))
    return _reading(file, status.st_mtime_ns, status.st_size)


@lru_cache(_MODULES)
def _reading(file: Path, _changed: int, _size: int) -> AirloopError | None:
    """Why a module cannot be read, remembered until its file changes."""
    try:
        read_module(file)
    except SpecError as error:
        return error
    return None
