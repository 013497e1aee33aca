"""A version that another process answers, as the service and `verify` ask any model."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from airloop.errors import ArtifactError
from airloop.registry.frozen import Scores
from airloop.serving.environments.worker import Worker
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec


@dataclass(frozen=True, eq=False)
class RemoteModel:
    """A version in a process of its own, which goes when nobody refers to it any more."""

    spec: ModelSpec
    dataset: DatasetSpec
    digest: str
    #: What answers in there: ``onnx``, or the name of the trainer that opens its own files.
    runtime: str
    drifted: str
    worker: Worker

    def __post_init__(self) -> None:
        """End the process with the model."""
        weakref.finalize(self, self.worker.close)

    def answer(self, values: Mapping[str, Sequence[Any]]) -> Scores:
        """What is answered about a request's rows.

        :raises DataError: if the model refuses the rows
        :raises ArtifactError: if an answer is not a number
        :raises UnreachableError: if the process is gone, and being started again
        """
        return self._numbers(self.worker.ask(("answer", dict(values))))

    def predict(self, frame: pd.DataFrame) -> Scores:
        """The same of rows in a frame, as batches are asked.

        :raises DataError, ArtifactError, UnreachableError: as :meth:`answer`
        """
        return self._numbers(self.worker.ask(("predict", frame)))

    def _numbers(self, content: bytes) -> Scores:
        try:
            return np.frombuffer(content, np.float64).reshape(-1, *self.spec.answer.shape)
        except ValueError as error:
            raise ArtifactError(
                "the version's process did not answer with numbers", where=self.digest
            ) from error
