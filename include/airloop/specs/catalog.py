"""All specs of a project: found by file name, read one at a time or all together."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from airloop.contracts import NAME_PATTERN, Contract
from airloop.errors import RequestError, SpecError
from airloop.issues import SpecIssue, mistakes
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec
from airloop.specs.yaml.document import Document, read_document

T = TypeVar("T", bound=Contract)


class Catalog:
    """The specs under one config folder. A name costs one file: starting a task never reads the others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def dataset_names(self) -> tuple[str, ...]:
        """Names of all datasets, sorted."""
        return _names(self.folder / "datasets")

    def model_names(self) -> tuple[str, ...]:
        """Names of all models, sorted."""
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

    def _load(self, kind: str, name: str, model: type[T]) -> T:
        path = self.folder / kind / f"{name}.yaml"
        # The name may come from a command line: it is checked before it becomes a path.
        if not re.match(NAME_PATTERN, name) or not path.exists():
            valid = _names(self.folder / kind)
            raise RequestError(f"no such spec in config/{kind}", value=name, valid=valid)
        document = read_document(path, strict=True)
        spec, found = parse(document, model)
        if spec is None:
            first, others = found[0], len(found) - 1
            more = "airloop check shows all of them" if others else ""
            raise SpecError(
                first.what + (f" (the first of {others + 1} mistakes)" if others else ""),
                value=first.value,
                where=document.where(first),
                remedy="; ".join(part for part in (first.remedy, more) if part),
                valid=first.valid,
            )
        return spec


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
        return None, found + mistakes(error, model)
    return (None if found else spec), found


def _names(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))


@cache
def load_catalog() -> Catalog:
    """The catalog of this process."""
    from airloop.paths import config_folder

    return Catalog(config_folder())
