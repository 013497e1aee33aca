"""Checkpoints: where a training is, as one object without code in it (JSON and safetensors).

An attempt that was superseded may still write one. That does no harm: a checkpoint names the data, the options and
the architecture it belongs to, and of the same ones every state is as good as any other.
"""

from __future__ import annotations

import json
import logging
import math
from dataclasses import asdict, dataclass, replace
from typing import Protocol

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from airloop.errors import ArtifactError
from airloop.specs.sections.fitting import CheckpointSpec
from airloop.training.trainers.torch.loop import Progress

log = logging.getLogger("airloop.training")


class Blobs(Protocol):
    """Where bytes are kept: :class:`airloop.exchange.blobs.BlobStore`."""

    def write(self, name: str, content: bytes) -> None:
        """Replace an object in one act."""

    def read(self, name: str) -> bytes | None:
        """Its content; None where there is none."""

    def place(self, name: str) -> str:
        """Its address."""


@dataclass(frozen=True)
class Identity:
    """What a checkpoint belongs to."""

    #: Of the network's layers and their sizes.
    architecture: str
    #: Of the rows, the options and the seed.
    run: str


class StoredCheckpoints:
    """The checkpoints of one training under one name: the newest replaces the one before."""

    def __init__(self, blobs: Blobs, name: str, identity: Identity, spec: CheckpointSpec) -> None:
        self.blobs, self.name, self.identity, self.spec = blobs, name, identity, spec

    def due(self, steps: int, seconds: float) -> bool:
        """Whether the spec's number of batches or minutes have passed."""
        enough = self.spec.steps is not None and steps >= self.spec.steps
        return enough or seconds >= self.spec.minutes * 60

    def write(self, progress: Progress, tensors: dict[str, Tensor]) -> None:
        """Replace the checkpoint.

        :raises UnreachableError: if the store does not answer
        :raises StorageFullError: if there is no space left
        """
        header = json.dumps({"identity": asdict(self.identity), "progress": _plain(progress)})
        plain = {name: one.detach().cpu().contiguous() for name, one in tensors.items()}
        self.blobs.write(self.name, header.encode() + b"\n" + safetensors.torch.save(plain))

    def read(self) -> tuple[Progress, dict[str, Tensor]] | None:
        """The checkpoint of this very training; one of other data or options is passed over.

        :raises ArtifactError: if it is one of another architecture, or cannot be read
        :raises UnreachableError: if the store does not answer
        """
        content = self.blobs.read(self.name)
        if content is None:
            return None
        where = self.blobs.place(self.name)
        try:
            first, _, rest = content.partition(b"\n")
            header = json.loads(first)
            identity = Identity(**header["identity"])
            progress = _progress(header["progress"])
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactError(
                "the checkpoint cannot be read", value=str(error), where=where
            ) from error
        if identity.architecture != self.identity.architecture:
            raise ArtifactError(
                "the checkpoint is one of another architecture",
                value=identity.architecture,
                where=where,
                remedy="restore the model's build() and params, or remove the checkpoint to begin anew",
                valid=(self.identity.architecture,),
            )
        if identity != self.identity:
            log.info("the checkpoint is one of other data or options: training begins anew")
            return None
        try:
            return progress, safetensors.torch.load(rest)
        except SafetensorError as error:
            raise ArtifactError(
                "the checkpoint cannot be read", value=str(error), where=where
            ) from error


def _plain(progress: Progress) -> dict[str, object]:
    fields = asdict(progress)
    # JSON knows no infinity.
    return fields | {"best_loss": None if math.isinf(progress.best_loss) else progress.best_loss}


def _progress(fields: dict[str, object]) -> Progress:
    loss = fields.pop("best_loss")
    history = [(float(a), float(b)) for a, b in fields.pop("history")]  # type: ignore[attr-defined]
    progress = Progress(**fields, history=history)  # type: ignore[arg-type]
    return progress if loss is None else replace(progress, best_loss=float(loss))  # type: ignore[arg-type]
