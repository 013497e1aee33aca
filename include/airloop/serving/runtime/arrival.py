"""How a version comes into memory: loaded and warmed beside the one that answers."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from airloop.contracts import ArtifactRef, Deployment
from airloop.serving.requests import Row
from airloop.serving.runtime.endpoint import Endpoint
from airloop.serving.runtime.version import Model, Version, prepare
from airloop.specs.dataset import DatasetSpec


@dataclass
class Arrival:
    """What a version is made of: its artifact, a real row, and the dataset as it is now."""

    load: Callable[[ArtifactRef], Model]
    example: Callable[[Model], Row | None]
    dataset: Callable[[Model], DatasetSpec | None]
    _settled: bool = False

    def version(self, endpoint: Endpoint, wanted: Deployment) -> Version:
        """The wanted version, in memory: one of those at hand where its bytes are the same, else loaded."""
        since = datetime.now(UTC)
        for held in endpoint.held:
            if held.deployment.artifact == wanted.artifact:
                return Version(wanted, held.model, held.schema, since, held.example)
        model, rested = self.load(wanted.artifact), endpoint.rested
        if rested is not None and rested.deployment.artifact == wanted.artifact:
            example = rested.example
        else:
            example = self.example(model)
        return prepare(wanted, model, since, example, endpoint.recent, self.dataset(model))

    def settle(self) -> None:
        """With the first version all libraries are there, a million objects that stay: no collection looks at them again.

        Each look would keep all requests waiting, for 150 ms. Once, since a version that leaves is to be collected.
        """
        if not self._settled:
            self._settled = True
            gc.freeze()
