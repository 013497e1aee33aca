"""A trained network as an estimator: it answers rows, becomes files without code, and is read back from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import safetensors.torch
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from torch import nn

from airloop.contracts import Contract
from airloop.errors import AirloopError, ArtifactError
from airloop.registry import artifacts
from airloop.registry.formats.torch import layers
from airloop.registry.formats.torch.columns import Columns
from airloop.registry.formats.torch.network import TabularNetwork
from airloop.registry.frozen import FrozenSpec, Scores

#: Rows that go through the network at once.
ANSWER_ROWS = 65_536


class Architecture(Contract):
    """``network.json``: everything about a network but its weights."""

    columns: Columns
    embedding: int
    #: The body's layers; None where ``build(params)`` of the checkout's module makes it, as it makes ``features``.
    layers: list[layers.Description] | None
    params: dict[str, Any]


class TorchEstimator:
    """A network with its columns. It answers in double precision, so that the order of sums does not matter."""

    def __init__(self, network: TabularNetwork, embedding: int, params: dict[str, Any]) -> None:
        self.network = network.to("cpu").double().eval()
        self.embedding, self.params = embedding, params

    @property
    def architecture(self) -> Architecture:
        """As it is written into the artifact."""
        return Architecture(
            columns=self.network.columns,
            embedding=self.embedding,
            layers=layers.describe(self.network.body),
            params=self.params,
        )

    def score(self, rows: pd.DataFrame) -> Scores:
        """What the model declares, of rows of features."""
        codes, numbers = self.network.columns.encode(rows)
        answers = [np.empty((0, *self.network.shape))]
        with torch.inference_mode():
            for first in range(0, len(rows), ANSWER_ROWS):
                cut = slice(first, first + ANSWER_ROWS)
                part = torch.from_numpy(codes[cut]), torch.from_numpy(numbers[cut]).double()
                answers.append(self.network.answer(*part).numpy())
        return np.concatenate(answers)

    def save(self, folder: Path) -> None:
        """Write ``network.json`` and ``model.safetensors``: numbers and names, nothing that runs."""
        text = self.architecture.model_dump_json(indent=1)
        (folder / artifacts.NETWORK).write_text(text, encoding="utf-8")
        weights = {name: one.contiguous() for name, one in self.network.state_dict().items()}
        safetensors.torch.save_file(weights, folder / artifacts.SAFETENSORS)


def open_estimator(folder: Path, frozen: FrozenSpec) -> TorchEstimator:
    """Read a network back.

    :raises ArtifactError: if the files do not fit each other, or the checkout no longer builds this network
    """
    path = folder / artifacts.NETWORK
    try:
        architecture = Architecture.model_validate_json(path.read_bytes())
        network = TabularNetwork(
            architecture.columns, architecture.embedding, _body(architecture, frozen)
        )
        weights = safetensors.torch.load_file(folder / artifacts.SAFETENSORS)
        network.double().load_state_dict(weights)
    except ArtifactError:
        raise
    except (
        *(OSError, ValidationError, SafetensorError),
        *(RuntimeError, TypeError, ValueError, AirloopError),
    ) as error:
        raise ArtifactError(
            "the network cannot be read",
            value=f"{type(error).__name__}: {error}"[:400],
            where=str(path),
            remedy="restore the module's build() this model was trained with, or train again",
        ) from error
    columns = architecture.columns
    kinds = dict.fromkeys(columns.categories, "string") | dict.fromkeys(columns.numbers, "number")
    if kinds != frozen.features:
        raise ArtifactError(
            "the network takes other features than its spec", value=list(kinds), where=str(path)
        )
    answer = frozen.model.answer
    if (network.shape, columns.levels) != (answer.shape, answer.levels):
        raise ArtifactError(
            "the network answers another question than its spec",
            value=list(network.shape),
            where=str(path),
            valid=[answer.told],
        )
    return TorchEstimator(network, architecture.embedding, architecture.params)


def _body(architecture: Architecture, frozen: FrozenSpec) -> nn.Module:
    if architecture.layers is not None:
        return layers.rebuild(architecture.layers)
    body: nn.Module = frozen.function(frozen.model.training.build)(dict(architecture.params))
    return body
