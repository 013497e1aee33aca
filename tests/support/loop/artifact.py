"""A trained and packed model in a folder, for the tests of the registry and of its faults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from airloop.contracts import ArtifactRef
from airloop.data.snapshot import split
from airloop.training.conversion import Conversion
from airloop.training.fitted import Fitted, fit
from airloop.training.package import pack
from tests.support.loop.specimens import DAYS, HOLDOUT, dataset_spec, model_spec, rows


@dataclass(frozen=True)
class Packed:
    folder: Path
    ref: ArtifactRef
    fitted: Fitted
    conversion: Conversion
    #: What was fitted, as the artifact answers.
    served: Fitted
    holdout: pd.DataFrame


def pack_one(folder: Path, seed: int = 0, **params: object) -> Packed:
    spec = model_spec()
    parts = split(spec, dataset_spec(), rows(seed=seed), HOLDOUT)
    fitted = fit(spec, dataset_spec(), parts, params)
    target = folder / "model"
    package = pack(spec, dataset_spec(), parts, fitted, target, trained_on=DAYS[:-2])
    ref = ArtifactRef(uri=target.as_uri(), digest=package.digest)
    return Packed(target, ref, fitted, package.conversion, package.served, parts.holdout.frame)
