"""The seam of trainers: who fits a model, what it is given, and in which files the model is kept.

Imported where specs are read: no library stands at its top.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from airloop.errors import SpecError
from airloop.plugins.registry import TRAINERS, load
from airloop.plugins.trainer import Output, missing
from airloop.registry.format import Format
from airloop.specs.model import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from airloop.exchange.group import Group
    from airloop.features.truth import Truth
    from airloop.registry.frozen import FrozenSpec, Scorer

#: The type of a graph's numeric inputs.
Number = Literal["double", "float"]


@dataclass(frozen=True)
class FitPlace:
    """Where a training may write: its scratch folder, and, where a killed run shall be resumed, the step store."""

    workdir: Path
    #: Of the checkpoint store and what it takes to reach it; without one there are no checkpoints.
    store_uri: str | None = None
    store_options: dict[str, str] = field(default_factory=dict, repr=False)
    #: The checkpoint's name there: of the step's key, so that the next attempt finds it.
    store_name: str = ""
    #: Of the snapshot: a checkpoint of other rows is no use.
    data_digest: str = ""
    #: The pods that train together; None where this process trains alone.
    group: Group | None = None


@dataclass(frozen=True)
class FitStream:
    """Features and truth of rows that nobody holds together.

    :param rows: how many there are
    :param parts: reads them anew, in the order of their partitions
    """

    rows: int
    parts: Callable[[], Iterator[tuple[pd.DataFrame, Truth]]]


@dataclass(frozen=True)
class FitJob:
    """What a trainer is given."""

    model: ModelSpec
    features: pd.DataFrame
    #: Of several values a column each, in the order of the output's names.
    truth: Truth
    params: dict[str, Any]
    #: Whether some of them come from the run, not from the spec.
    overridden: bool
    place: FitPlace
    #: How much each row counts, 1 on average; None where all count alike. Only for who :meth:`Trainer.weighs`.
    weights: npt.NDArray[np.float64] | None = None
    #: All rows, where ``features`` and ``truth`` are some of them. Only for who ``streams``.
    stream: FitStream | None = None

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What the model shall answer."""
        return self.model.answers


class Trainer(Format, Protocol):
    """One library. Its module is imported where specs are read: the library itself is imported in the methods."""

    @abstractmethod
    def fit(self, job: FitJob) -> Any:
        """A fitted estimator of the library's own kind.

        :raises SpecError: if the spec's parameters do not suit
        :raises RequestError: if the run's do not
        """

    def rehearse(self, job: FitJob) -> None:
        """What can be told in seconds and without a training, for `airloop check`; unless said otherwise, nothing.

        :param job: a few rows with labels that were made up, or none where the source could not be asked
        :raises SpecError: if a training would be refused
        :raises DataError: if these rows did not do to tell
        """

    @abstractmethod
    def scorer(self, estimator: Any, outputs: tuple[Output, ...]) -> Scorer:
        """Its answers: of one output an array with a row's answer for each row."""

    def onnx(self, estimator: Any, frozen: FrozenSpec, number: Number) -> bytes:
        """The same as an ONNX graph, which the service prefers, or an exception of any kind."""
        raise NotImplementedError(f"{self.library} has no way to ONNX here")

    def weighs(self, job: FitJob) -> bool:
        """Whether rows may count more or less than others; who cannot is never given weights.

        :param job: what would be fitted
        """
        return False

    def growth(self, job: FitJob, rungs: int) -> Iterator[tuple[float, Any]]:
        """The estimator as it grows: after which share of the whole fit, and what it is then.

        A search ends a trial early by it; who cannot tell on the way yields once.

        :param rungs: how often the search would like to look
        """
        yield 1.0, self.fit(job)


def open_trainer(name: str) -> Trainer:
    """The trainer of this name.

    :raises SpecError: if there is none, or its library is not installed
    """
    trainer: Trainer = load(TRAINERS, name)
    if lacking := missing(trainer):
        remedy = trainer.remedy or f"install {trainer.library}"
        raise SpecError(
            f"the trainer {name} needs a library that is not installed here",
            value=lacking[0],
            where="training.trainer",
            remedy=f"{remedy}, or name an environment that has it",
        )
    return trainer
