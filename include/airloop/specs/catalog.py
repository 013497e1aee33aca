"""All specs of a project: found by file name, read one at a time or all together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Generic, TypeVar, cast

from pydantic import ValidationError

from airloop.contracts import NAME_PATTERN, Contract
from airloop.errors import AirloopError, RequestError, SpecError
from airloop.issues import WORDS, SpecIssue, issues_of
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec
from airloop.specs.yaml.document import Document, read_document
from airloop.textfile import is_there, is_written

T = TypeVar("T", bound=Contract)


@dataclass(frozen=True)
class CatalogEntry(Generic[T]):
    """One file of the catalogue: either its spec, or what is wrong with it."""

    name: str
    path: Path
    spec: T | None = None
    error: AirloopError | None = None


class Catalog:
    """The specs under one config folder.

    A name costs one file: starting a task never reads the others. Whoever needs all takes :meth:`models` or
    :meth:`datasets`, in which a file that is wrong is an entry with its error and harms no other.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def once(self) -> Catalog:
        """The same specs, each read once: what a step and its account see does not change while they run."""
        return _Kept(self.folder)

    def dataset_names(self) -> tuple[str, ...]:
        """Names of all datasets, sorted; no file is opened.

        :raises SpecError: if the folder cannot be listed
        """
        return _names(self.folder / "datasets")

    def model_names(self) -> tuple[str, ...]:
        """Names of all models, sorted; no file is opened.

        :raises SpecError: if the folder cannot be listed
        """
        return _names(self.folder / "models")

    def dataset(self, name: str) -> DatasetSpec:
        """One dataset's spec.

        :raises SpecError: if its file is wrong
        :raises RequestError: if there is no such dataset
        """
        return self._load("datasets", name, DatasetSpec)

    def model(self, name: str) -> ModelSpec:
        """One model's spec.

        :raises SpecError: if its file is wrong
        :raises RequestError: if there is no such model
        """
        return self._load("models", name, ModelSpec)

    def dataset_of(self, model: ModelSpec) -> DatasetSpec:
        """The spec of a model's dataset.

        :raises SpecError: if its file is wrong, or the model names one that is not there
        """
        if not is_there(self.folder / "datasets" / f"{model.dataset}.yaml"):
            raise self._no_dataset(model)
        return self.dataset(model.dataset)

    def pair(self, name: str) -> tuple[ModelSpec, DatasetSpec]:
        """One model's spec and its dataset's.

        :raises SpecError: if one of the two files is wrong
        :raises RequestError: if there is no such model
        """
        model = self.model(name)
        return model, self.dataset_of(model)

    def datasets(self) -> tuple[CatalogEntry[DatasetSpec], ...]:
        """Every file of a dataset, sorted.

        :raises SpecError: if the folder cannot be listed
        """
        return _entries(self.folder / "datasets", DatasetSpec)

    def models(self) -> tuple[CatalogEntry[ModelSpec], ...]:
        """Every file of a model, sorted. One whose dataset is wrong has the dataset's error.

        :raises SpecError: if a folder cannot be listed
        """
        datasets = {entry.name: entry for entry in self.datasets()}
        return tuple(
            self._beside(entry, datasets) for entry in _entries(self.folder / "models", ModelSpec)
        )

    def _beside(
        self, entry: CatalogEntry[ModelSpec], datasets: dict[str, CatalogEntry[DatasetSpec]]
    ) -> CatalogEntry[ModelSpec]:
        if entry.spec is None:
            return entry
        dataset = datasets.get(entry.spec.dataset)
        error = self._no_dataset(entry.spec) if dataset is None else dataset.error
        return entry if error is None else CatalogEntry(entry.name, entry.path, error=error)

    def _no_dataset(self, model: ModelSpec) -> SpecError:
        return SpecError(
            "there is no such dataset",
            value=model.dataset,
            where=f"{self.folder / 'models' / model.name}.yaml, key dataset",
            remedy=f"add {self.folder / 'datasets' / model.dataset}.yaml",
            valid=self.dataset_names(),
        )

    def _load(self, kind: str, name: str, model: type[T]) -> T:
        path = self.folder / kind / f"{name}.yaml"
        # The name may come from a command line: it is checked before it becomes a path.
        if not re.match(NAME_PATTERN, name) or not is_there(path):
            valid = _names(self.folder / kind)
            raise RequestError(f"no such spec in config/{kind}", value=name, valid=valid)
        return _read(path, model)


class _Kept(Catalog):
    """Remembers every spec that it read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._kept: dict[tuple[str, str], Contract] = {}

    def _load(self, kind: str, name: str, model: type[T]) -> T:
        if (found := self._kept.get((kind, name))) is None:
            found = self._kept[kind, name] = super()._load(kind, name, model)
        return cast(T, found)


def parse(document: Document, model: type[T]) -> tuple[T | None, list[SpecIssue]]:
    """The spec in a file, or all that is wrong with it."""
    stem = document.path.stem
    data = {"name": stem, **document.data}
    found = []
    if data["name"] != stem:
        what, remedy = "the name differs from the file's name", f"write {stem} or rename the file"
        found.append(SpecIssue(("name",), what, data["name"], remedy))
    try:
        spec = model.model_validate(data)
    except ValidationError as error:
        return None, found + issues_of(error, model)
    except AirloopError as error:
        return None, [*found, SpecIssue((), error.what, error.value, error.remedy, error.valid)]
    # The class of a plug-in checks what the spec says of it, and raises whatever its author chose.
    except Exception as error:
        what = f"a plug-in could not check what is said of it: {type(error).__name__}: {error}"
        return None, [*found, SpecIssue((), what, None, "`airloop plugins` tells who brings it")]
    return (None if found else spec), found


def _read(path: Path, model: type[T]) -> T:
    if not re.match(NAME_PATTERN, path.stem):
        raise misnamed(path)
    document = read_document(path, strict=True)
    spec, found = parse(document, model)
    if spec is not None:
        return spec
    first, others = found[0], len(found) - 1
    more = "airloop check shows all of them" if others else ""
    raise SpecError(
        first.what + (f" (the first of {others + 1} mistakes)" if others else ""),
        value=first.value,
        where=document.where(first),
        remedy="; ".join(part for part in (first.remedy, more) if part),
        valid=first.valid,
    )


def misnamed(path: Path) -> SpecError:
    """What is wrong with a file whose name no spec can have."""
    return SpecError(
        "the file's name is no name of a spec",
        value=path.stem,
        where=str(path),
        remedy=WORDS[NAME_PATTERN],
    )


def spec_files(folder: Path) -> tuple[Path, ...]:
    """The files of a folder that are specs, sorted: ``*.yaml``, without what an editor leaves beside them.

    :raises SpecError: if the folder cannot be listed
    """
    try:
        found = [path for path in folder.iterdir() if path.suffix == ".yaml" and is_written(path)]
    except FileNotFoundError as error:
        if folder.parent.is_dir():
            return ()
        raise SpecError("there is no such folder", where=str(folder.parent)) from error
    except OSError as error:
        raise SpecError(
            "the folder cannot be listed", value=error.strerror, where=str(folder)
        ) from error
    return tuple(sorted(found))


def _entries(folder: Path, model: type[T]) -> tuple[CatalogEntry[T], ...]:
    return tuple(entry for path in spec_files(folder) if (entry := _entry(path, model)) is not None)


def _entry(path: Path, model: type[T]) -> CatalogEntry[T] | None:
    """None where the file was removed since its folder was listed."""
    try:
        return CatalogEntry(path.stem, path, spec=_read(path, model))
    except AirloopError as error:
        return CatalogEntry(path.stem, path, error=error) if is_there(path) else None


def _names(folder: Path) -> tuple[str, ...]:
    return tuple(path.stem for path in spec_files(folder) if re.match(NAME_PATTERN, path.stem))


@cache
def load_catalog() -> Catalog:
    """The catalog of this process."""
    from airloop.paths import config_folder

    return Catalog(config_folder())
