"""A model ready to answer: rows of a table in one frame, a request's rows as arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from airloop.errors import ArtifactError
from airloop.features.casting import Array, Columns, arrays, checked
from airloop.features.rows import of_rows
from airloop.features.succession import as_then
from airloop.features.transform import transform
from airloop.registry.code.finder import Code
from airloop.registry.frozen import Scorer, Scores
from airloop.registry.segments import Routing
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec

#: Answers features that lie in a frame, or as arrays.
OpenGraph = Callable[[pd.DataFrame | Mapping[str, Array]], Scores]
#: ``onnx``, or the name of the trainer that opens its own files.
Runtime = str


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to answer. ``spec`` and ``dataset`` are those of its training, not today's."""

    spec: ModelSpec
    dataset: DatasetSpec
    digest: str
    runtime: Runtime
    features: tuple[str, ...]
    trained_on: tuple[str, ...]
    scorer: Scorer
    #: Where segments have models of their own; ``scorer`` is then the one for all others.
    routing: Routing | None = None
    #: The digest of the judged artifact that this one was refitted from.
    refit_of: str | None = None
    #: The version's own ``features``; without it the project's of today.
    function: Callable[[pd.DataFrame], pd.DataFrame] | None = None
    #: Its ``features_rows``, which a request's few rows are answered by; None where its module has none.
    by_rows: Callable[..., Any] | None = None
    #: The ONNX graph, which takes arrays as well; None where the trainer's own format answers.
    graph: OpenGraph | None = None
    #: Keeps the version's modules imported.
    code: Code | None = None
    #: Which of the libraries are not those it was made with; empty if all are.
    drifted: str = ""
    #: Its verified files, by which another process opens it as well.
    folder: Path | None = None

    def predict(self, frame: pd.DataFrame, now: DatasetSpec | None = None) -> Scores:
        """What the model answers about rows that hold its inputs: a number a row, or a row of its output's numbers.

        :param now: the dataset as it is today, where the rows are of today and the model may be of yesterday
        :raises DataError: if the rows do not fit the model's inputs
        :raises ArtifactError: if the code's features are no longer the model's, or an answer is not a number
        """
        dataset = self.dataset
        if now is not None and now.columns != dataset.columns:
            dataset, frame = as_then(dataset, now, self.spec.inputs, frame)
        rows = transform(self.spec, dataset, frame, self.function)
        self._fits(tuple(rows.columns))
        scores = self._scores(frame, rows) if len(rows) else np.empty((0, *self.spec.answer.shape))
        return self._every(scores, len(rows))

    def answer(self, values: Mapping[str, Sequence[Any]]) -> Scores:
        """The same of a request's rows, column by column, as its schema has checked them: in one frame at most.

        :raises DataError, ArtifactError: as :meth:`predict`
        """
        if self.routing is not None:
            return self.predict(pd.DataFrame(values))
        return self.of_arrays(checked(self.dataset, self.spec.inputs, values))

    def of_arrays(self, inputs: Columns) -> Scores:
        """The same of inputs that are arrays already.

        :raises DataError, ArtifactError: as :meth:`predict`
        """
        rows = of_rows(self.spec, inputs, self.function, self.by_rows)
        self._fits(tuple(rows))
        count = len(next(iter(inputs.values())))
        if self.graph is not None:
            return self._every(self.graph(rows), count)
        return self._every(self.scorer(pd.DataFrame(rows, copy=False)), count)

    def predict_by_rows(self, frame: pd.DataFrame) -> Scores:
        """As :meth:`predict`, on the way that a request's rows go.

        :raises DataError, ArtifactError: as :meth:`predict`
        """
        return self.of_arrays(arrays(self.dataset, self.spec.inputs, frame))

    def _fits(self, features: tuple[str, ...]) -> None:
        if features != self.features:
            raise ArtifactError(
                "features() no longer makes the columns that this model was trained on",
                value=list(features),
                where=f"{self.spec.module}.features",
                valid=self.features,
            )

    def _every(self, scores: Scores, rows: int) -> Scores:
        if scores.shape != (rows, *self.spec.answer.shape) or not np.isfinite(scores).all():
            raise ArtifactError(
                "the model did not answer every row with a number", where=self.digest
            )
        return scores

    def _scores(self, frame: pd.DataFrame, rows: pd.DataFrame) -> Scores:
        if self.routing is None:
            return self.scorer(rows)
        return self.routing.score(self.routing.of(self.dataset, frame), rows, self.scorer)
