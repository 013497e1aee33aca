"""Which DAGs a DAG file has to build: those of one spec, or of its whole project.

A kind that the project ejected (``airloop eject train``) is built by the project's own file, wherever it is built.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from airflow.sdk import get_parsing_context

from airloop import paths
from airloop.contracts import NAME_PATTERN
from airloop.ejection import KINDS, owned
from airloop.errors import AirloopError, PermanentError, SpecError
from airloop.execution.executor import executor_of
from airloop.plugins.registry import EXECUTORS, names
from airloop.projects.stub_folder import Origin, governed, origin_of
from airloop.projects.stubs import MODEL_KINDS, PROJECT_DAGS, executor_dags
from airloop.settings import load_settings
from airloop.specs import DatasetSpec, ModelSpec, load_catalog
from airloop.specs.catalog import misnamed

__all__ = ["KINDS", "build", "each"]

#: The project's own files that are being read for their ``build``: their loop over all specs has nothing to do.
_read: set[str] = set()


def build(model: str | None = None, *, dataset: str | None = None, dag: str | None = None) -> None:
    """Build the DAGs of one model, of one dataset, or one that belongs to no spec; all of the project without a name.

    Without a name it builds nothing where stubs lie beside the calling file: they do it, a spec each.

    :raises SpecError: if a spec or a setting is wrong
    """
    file = Path(sys._getframe(1).f_globals["__file__"])
    if model is dataset is dag is None:
        if not governed(file.parent):
            _enter(file)
            _build_all()
        return
    _enter(file)
    try:
        _build_one(model, dataset, dag)
    except AirloopError as error:
        # Airflow shows an import error with its traceback: the sentence is what helps, and where YAML gave up is not.
        raise error.with_traceback(None) from None


def _build_one(model: str | None, dataset: str | None, dag: str | None) -> None:
    catalog = load_catalog()
    if dataset is not None:
        _refuse_misnamed("datasets", dataset)
        _build_kind(KINDS[0], dataset, catalog.dataset(dataset))
    if model is not None:
        _refuse_misnamed("models", model)
        spec, source = catalog.pair(model)
        for kind in MODEL_KINDS:
            _build_kind(kind, model, spec, source)
    if dag is not None and get_parsing_context().dag_id in (None, dag):
        import_module(_module_of(dag)).build()


def _refuse_misnamed(kind: str, name: str) -> None:
    """Each file has a stub, and this is the import error of one whose name none can have.

    :raises SpecError: if so
    """
    if not re.match(NAME_PATTERN, name):
        raise misnamed(load_catalog().folder / kind / f"{name}.yaml")


def each(kind: str) -> Iterator[tuple[ModelSpec, DatasetSpec]] | Iterator[tuple[DatasetSpec]]:
    """The specs for which an ejected file builds a DAG: model and dataset, or for ``ingest`` the dataset alone.

    None where stubs lie beside it: each of them calls the file's ``build`` for its own spec.
    """
    file = Path(sys._getframe(1).f_globals["__file__"])
    if str(file) in _read or governed(file.parent):
        return iter(())
    _enter(file)
    return _specs(kind)


def _build_all() -> None:
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
    for dag_id, path in (PROJECT_DAGS | _of_executors()).items():
        if wanted in (None, dag_id):
            import_module(path).build()


def _build_kind(kind: str, name: str, *specs: ModelSpec | DatasetSpec) -> None:
    """One DAG of one spec: the DAG processor needs all of them, a task its own."""
    if get_parsing_context().dag_id in (None, f"{kind}_{name}"):
        _builder(kind)(*specs)


def _builder(kind: str) -> Callable[..., None]:
    """What makes the DAG of a kind: Airloop's, or the project's own where it was ejected."""
    path = owned(paths.dags_folder()).get(kind)
    if path is None:
        packaged: Callable[..., None] = import_module(f"airloop_dags.{kind}").build
        return packaged
    _read.add(str(path))
    try:
        spec = spec_from_file_location(f"airloop_ejected_{kind}", path)
        if spec is None or spec.loader is None:
            raise PermanentError("the project's DAG file is no Python file", where=str(path))
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        _read.discard(str(path))
    own: Callable[..., None] = module.build
    return own


def _module_of(dag_id: str) -> str:
    """Where a DAG comes from that belongs to no spec; none is read for it.

    :raises PermanentError: if there is none of this name, nor does an executor that is installed need one
    """
    if always := PROJECT_DAGS.get(dag_id):
        return always
    for name in names(EXECUTORS):
        if module := executor_dags(name).get(dag_id):
            return module
    raise PermanentError(
        "no executor that is installed needs this DAG",
        value=dag_id,
        remedy="its stub goes when the specs are looked at again",
    )


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
    for name in catalog.dataset_names() if kind == "ingest" else catalog.model_names():
        if wanted not in (None, f"{kind}_{name}"):
            continue
        if kind == "ingest":
            yield (catalog.dataset(name),)
        else:
            model = catalog.model(name)
            yield model, catalog.dataset(model.dataset)


def _enter(file: Path) -> None:
    """Name the project that a DAG file is of: a run of a versioned bundle has a checkout of its own."""
    origin = origin_of(file) or _around(file)
    if origin is None:
        return
    told = os.environ.get("AIRLOOP_CONFIG")
    if paths.known() == origin.project and (told is None or Path(told) == origin.config):
        return
    paths.name(origin.project)
    if told is not None or origin.config != origin.project / "config":
        os.environ["AIRLOOP_CONFIG"] = str(origin.config)
    load_settings.cache_clear()
    load_catalog.cache_clear()


def _around(file: Path) -> Origin | None:
    """The project that a file lies in, with the configuration that this process was told of."""
    for folder in file.resolve().parents:
        if (folder / paths.MARKER).is_file():
            told = os.environ.get("AIRLOOP_CONFIG")
            return Origin(folder, Path(told) if told else folder / "config")
    return None
