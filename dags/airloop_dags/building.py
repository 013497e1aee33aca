"""Which DAGs a DAG file has to build: those of its project, without the kinds that the project owns itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from airflow.sdk import get_parsing_context

from airloop import paths
from airloop.ejection import KINDS, owned
from airloop.errors import SpecError
from airloop.execution.executor import executor_of
from airloop.settings import load_settings
from airloop.specs import DatasetSpec, ModelSpec, load_catalog

__all__ = ["KINDS", "build", "each"]

#: The DAGs of a project that belong to no spec.
_ALWAYS = {"airloop_wake": "airloop_dags.wake"}


def build() -> None:
    """Build the DAGs of every spec of the project that the calling DAG file belongs to.

    A kind that the project ejected (``airloop eject train``) comes from its own file and is left out here.
    """
    _enter(Path(sys._getframe(1).f_globals["__file__"]))
    taken = owned(paths.dags_folder())
    wanted, found = get_parsing_context().dag_id, False
    for kind in KINDS:
        if kind in taken:
            continue
        module = import_module(f"airloop_dags.{kind}")
        for specs in _specs(kind):
            module.build(*specs)
            found = True
    if wanted is not None and found:
        return  # a task of a spec's DAG: reading all other specs is none of its work
    for dag_id, path in (_ALWAYS | _of_executors()).items():
        if wanted in (None, dag_id):
            import_module(path).build()


def each(kind: str) -> Iterator[tuple[ModelSpec, DatasetSpec]] | Iterator[tuple[DatasetSpec]]:
    """The specs for which an ejected file builds a DAG: model and dataset, or for ``ingest`` the dataset alone."""
    _enter(Path(sys._getframe(1).f_globals["__file__"]))
    return _specs(kind)


def _of_executors() -> dict[str, str]:
    """The DAGs that the executors of the models need beside; a spec that is wrong is its own DAG's concern."""
    catalog, found = load_catalog(), dict[str, str]()
    for name in catalog.model_names():
        with suppress(SpecError):
            found |= executor_of(catalog.model(name).compute)[0].dags
    return found


def _specs(kind: str) -> Iterator[tuple[ModelSpec, DatasetSpec]] | Iterator[tuple[DatasetSpec]]:
    """The specs whose DAG ``<kind>_<name>`` this process needs.

    The DAG processor needs all; a task needs its own, and its start must not cost more with every spec there is.
    """
    catalog = load_catalog()
    wanted = get_parsing_context().dag_id
    names = catalog.dataset_names() if kind == "ingest" else catalog.model_names()
    for name in names:
        if wanted not in (None, f"{kind}_{name}"):
            continue
        if kind == "ingest":
            yield (catalog.dataset(name),)
        else:
            model = catalog.model(name)
            yield model, catalog.dataset(model.dataset)


def _enter(file: Path) -> None:
    """Name the project that a DAG file lies in: a run of a versioned bundle has a checkout of its own."""
    for folder in file.resolve().parents:
        if (folder / paths.MARKER).is_file():
            if paths.known() != folder:
                paths.name(folder)
                load_settings.cache_clear()
                load_catalog.cache_clear()
            return
