"""What a gate looks at, made from labels and answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from airloop.contracts import ArtifactRef, Candidate, DatasetRef
from airloop.data.snapshot import split
from airloop.evaluation.case import Case, Champion
from airloop.evaluation.metrics import evaluate
from airloop.registry.loaded import LoadedModel
from airloop.testing.specs import DAYS, HOLDOUT, toy_dataset, toy_model, toy_rows

_DIGEST = "sha256:" + "0" * 64


def case_of(
    scores: Any = None, champion: Any = None, *, frame: pd.DataFrame | None = None, **model: Any
) -> Case:
    """A candidate with these answers on the holdout rows of ``toy_rows``, against a champion with those.

    :param scores: without them the candidate knows the truth fairly well
    :param model: keys of the model's spec that differ from ``toy_model``
    """
    spec, dataset = toy_model(**model), toy_dataset()
    parts = split(spec, dataset, toy_rows() if frame is None else frame, HOLDOUT)
    truth = np.asarray(parts.holdout.truth, dtype=np.float64)
    answers = fair(truth) if scores is None else np.asarray(scores, dtype=np.float64)

    def loaded(told: Any) -> LoadedModel:
        return LoadedModel(
            spec=spec,
            dataset=dataset,
            digest=_DIGEST,
            runtime="onnx",
            features=spec.inputs,
            trained_on=(),
            scorer=lambda _: np.asarray(told, dtype=np.float64),
        )

    candidate = Candidate(
        model=spec.name,
        run_id="run1",
        artifact=ArtifactRef(uri="runs:/run1/model", digest=_DIGEST),
        dataset=_reference(dataset.name, len(parts.everything)),
        holdout=HOLDOUT,
        metrics=evaluate(spec.goal, truth, answers, spec.metrics) if len(truth) else {},
    )
    rival = None if champion is None else Champion(3, lambda: loaded(champion))
    return Case(spec, dataset, candidate, parts, lambda: loaded(answers), rival)


def _reference(name: str, rows: int) -> DatasetRef:
    return DatasetRef(
        name=name, uri="/lake/toy", version=1, partitions=DAYS, rows=rows, digest=_DIGEST
    )


def truth_of(frame: pd.DataFrame | None = None) -> Any:
    """The labels of the holdout rows."""
    rows = toy_rows() if frame is None else frame
    held = rows["day"].isin(pd.to_datetime(list(HOLDOUT)))
    return np.asarray(rows.loc[held, "late"], dtype=np.float64)


def fair(truth: Any, strength: float = 2.0) -> Any:
    """Probabilities that know the truth as well as this."""
    noise = np.random.default_rng(0).normal(size=len(truth))
    return 1 / (1 + np.exp(-(strength * np.asarray(truth) + noise - 0.5)))
