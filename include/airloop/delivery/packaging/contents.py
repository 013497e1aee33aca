"""What a package is made of."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path

from airloop.contracts import ModelVersion
from airloop.registry import artifacts
from airloop.registry.loaded import LoadedModel
from airloop.registry.loader import own_lock
from airloop.serving.packaged import ARTIFACT
from airloop.settings import Settings


@dataclass(frozen=True)
class Contents:
    """A proven version, its opened model, and the folder that :class:`~airloop.serving.packaged.Packaged` opens."""

    version: ModelVersion
    model: LoadedModel
    source: Path
    settings: Settings

    @property
    def name(self) -> str:
        """The model's."""
        return self.version.model

    @property
    def number(self) -> int:
        """The version's."""
        return self.version.version

    def needs(self, extra: str = "") -> list[str]:
        """What must be installed: this release of Airloop, and the libraries that the version brings a lock of.

        :param extra: of Airloop's, in brackets
        """
        trainer = self.model.runtime if self.model.runtime in _EXTRAS else ""
        extras = ",".join(filter(None, (extra, trainer)))
        own = f"airloop[{extras}]" if extras else "airloop"
        return [f"{own}=={installed('airloop')}", *self._locked()]

    def _locked(self) -> tuple[str, ...]:
        folder = self.source / ARTIFACT
        lock = own_lock(folder, artifacts.manifest(folder, self.version.artifact.digest))
        return () if lock is None else lock.lines


#: Trainers whose own format answers by a library that Airloop does not bring along.
_EXTRAS = frozenset({"xgboost", "lightgbm", "catboost", "torch"})
