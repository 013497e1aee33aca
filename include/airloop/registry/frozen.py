"""A model's spec as it was when it was trained, frozen into its artifact, and what every opened model offers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import AwareDatetime

from airloop.contracts import Contract, Digest, PartitionKey
from airloop.plugins.spec import FROZEN
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec

Scores = npt.NDArray[np.float64]
#: Answers rows of features.
Scorer = Callable[[pd.DataFrame], Scores]


class FrozenSpec(Contract):
    """``spec.json``: what the model was made from, and the features it takes, in order."""

    model: ModelSpec
    dataset: DatasetSpec
    features: dict[str, Literal["number", "string"]]
    #: The days whose rows it learned from; a later comparison on one of them would flatter it.
    trained_on: tuple[PartitionKey, ...] = ()
    #: The moment whose state of the lake it learned from; None for the newest.
    as_of: AwareDatetime | None = None
    #: The artifact that the gates judged, where this one was fitted on the held-out days too and stands for it.
    refit_of: Digest | None = None

    @classmethod
    def read(cls, content: bytes) -> FrozenSpec:
        """What an artifact holds. It was judged when it was trained: what it names need not be installed here.

        :raises ValidationError: if it is not what a training writes
        """
        return cls.model_validate_json(content, context=FROZEN)
