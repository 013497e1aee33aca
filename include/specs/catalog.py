"""All specs of a project: found by file name, read one at a time or all together."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from include.contracts import Contract
from include.errors import RequestError, SpecError
from include.specs.dataset import DatasetSpec
from include.specs.files import read_yaml
from include.specs.model import ModelSpec

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
        valid = _names(self.folder / kind)
        if name not in valid:
            raise RequestError(f"no such spec in config/{kind}", value=name, valid=valid)
        data = read_yaml(path)
        if data.setdefault("name", name) != name:
            raise SpecError(
                "the name in the file differs from the file's name",
                value=data["name"],
                where=f"{path}, key name",
                remedy=f"write name: {name} or rename the file",
            )
        try:
            return model.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise SpecError(
                first["msg"], value=first["input"], where=f"{path}, key {key}"
            ) from error


def _names(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))


@cache
def load_catalog() -> Catalog:
    """The catalog of this process."""
    from include.settings import config_folder

    return Catalog(config_folder())
