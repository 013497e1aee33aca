"""A model's spec as it was when it was trained, frozen into its artifact, and what every opened model offers."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import AwareDatetime, PrivateAttr

from airloop.contracts import Contract, Digest, PartitionKey
from airloop.errors import ArtifactError
from airloop.features.transform import function_of, model_function, model_module
from airloop.plugins.spec import FROZEN
from airloop.registry.code.finder import Code
from airloop.renames import current
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
    #: The code that the artifact brings; without it the model's module is the project's of today.
    _code: Code | None = PrivateAttr(default=None)

    def with_code(self, code: Code | None) -> FrozenSpec:
        """The same with a version's own code."""
        frozen = self.model_copy()
        frozen._code = code
        return frozen

    @property
    def travels(self) -> bool:
        """Whether the version's own code answers."""
        return self._code is not None

    def function(self, name: str) -> Callable[..., Any]:
        """A function of the model's module, as it was when the model was trained: ``features``, ``build``.

        :raises ArtifactError: if the version's own code cannot be imported, or has no such function
        :raises SpecError: if the version brings none, and the project's module cannot be imported or has no such function
        """
        if self._code is None:
            return model_function(self.model, name)
        module = self._module()
        function = function_of(module, name)
        if function is None:
            raise ArtifactError(
                f"the model's own code has no function {name}", where=module.__name__
            )
        return function

    def optional(self, name: str) -> Callable[..., Any] | None:
        """A function that the model's module may have: ``features_rows``; None where it has none.

        :raises ArtifactError, SpecError: if the module cannot be imported
        """
        return function_of(self._module(), name)

    def _module(self) -> ModuleType:
        code = self._code
        return code.module(current(self.model.module)) if code else model_module(self.model)

    @classmethod
    def read(cls, content: bytes) -> FrozenSpec:
        """What an artifact holds. It was judged when it was trained: what it names need not be installed here.

        :raises ValidationError: if it is not what a training writes
        """
        return cls.model_validate_json(content, context=FROZEN)
