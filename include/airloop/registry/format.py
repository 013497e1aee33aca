"""How a model is kept: the part of a trainer that the registry needs, to write a model's files and to open them."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from airloop.plugins.trainer import TrainerCapabilities

if TYPE_CHECKING:
    from airloop.registry.frozen import FrozenSpec, Scorer


class Format(TrainerCapabilities, Protocol):
    """The files of one library's models. No file that runs code when it is opened is a format."""

    @abstractmethod
    def save(self, estimator: Any, folder: Path) -> None:
        """Write the files."""

    @abstractmethod
    def open(self, folder: Path, frozen: FrozenSpec) -> Scorer:
        """The answers of what ``save`` wrote, without running anything that is found in the files.

        :raises ArtifactError: if a file is damaged, or holds what is not allowed
        """
