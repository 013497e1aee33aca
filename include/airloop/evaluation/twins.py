"""A refitted artifact and the judged one that it stands for: two of one run, under their own digests."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from airloop.contracts import ArtifactRef
from airloop.registry import loader, tracking
from airloop.registry.loaded import LoadedModel
from airloop.settings import Settings
from airloop.specs.dataset import DatasetSpec


def judged_twin(
    artifact: ArtifactRef, model: LoadedModel, settings: Settings
) -> LoadedModel | None:
    """The judged model of a refitted one, opened; None for a model that was itself judged.

    :param artifact: where ``model`` was opened from
    :raises ArtifactError: if a byte differs
    :raises UnreachableError: if the artifact store does not answer
    """
    if model.refit_of is None:
        return None
    run = artifact.uri.rpartition("/")[0]
    return loader.load(ArtifactRef(uri=f"{run}/{tracking.FOLDER}", digest=model.refit_of), settings)


def with_twin(artifact: ArtifactRef, settings: Settings) -> tuple[LoadedModel, LoadedModel | None]:
    """A model, opened, and its judged twin where it has one."""
    model = loader.load(artifact, settings)
    return model, judged_twin(artifact, model, settings)


def impartial(
    model: LoadedModel,
    twin: LoadedModel | None,
    dataset: DatasetSpec,
    frame: pd.DataFrame,
    seen: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float64]:
    """A model's answers, but its judged twin's where only the refitted one has learned from the row.

    :param seen: which rows these are
    """
    scores = np.array(model.predict(frame, dataset), np.float64)
    if twin is None or not seen.any():
        return scores
    scores[seen] = np.asarray(twin.predict(frame, dataset), np.float64)[seen]
    return scores
