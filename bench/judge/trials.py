"""One trial: a champion and a challenger on the same days, put through the champion gate as the loop does it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from airloop.contracts import ArtifactRef, Candidate, DatasetRef
from airloop.data.snapshot import Part, Split
from airloop.evaluation.blocks import Blocks
from airloop.evaluation.case import Case, Champion
from airloop.evaluation.proper import clearly_worse
from airloop.evaluation.swap import needed_gain
from airloop.paths import config_folder
from airloop.specs import Catalog, DatasetSpec, ModelSpec

Floats = npt.NDArray[np.float64]
POLICIES = ("costly", "free")
_DIGEST = "sha256:" + "0" * 64


@dataclass(frozen=True)
class Duel:
    """Answers of both to the same rows, and the day of each row."""

    truth: Floats
    challenger: Floats
    champion: Floats
    day: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Share:
    """So many of so many, with Wilson's interval (1927) at 95 %."""

    count: int
    of: int

    @property
    def bounds(self) -> tuple[float, float]:
        """The interval."""
        z, n = 1.959964, max(self.of, 1)
        share = self.count / n
        middle = (share + z * z / (2 * n)) / (1 + z * z / n)
        reach = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        return max(0.0, middle - reach), min(1.0, middle + reach)

    def __str__(self) -> str:
        low, high = self.bounds
        return f"{self.count / max(self.of, 1):.1%} ({low:.1%} to {high:.1%}, n = {self.of:,})"


def promoted(duel: Duel) -> dict[str, bool]:
    """Whether the champion gate lets the challenger pass, by policy."""
    case = _case(duel)
    result = case.compare(duel.champion)
    gates = case.model.gates
    better = {
        policy: result.low > needed_gain(gates.model_copy(update={"swap": policy}), result)
        for policy in POLICIES
    }
    # The proper score is asked only where it could still refuse: it costs as much as the metric.
    if any(better.values()) and clearly_worse(case, duel.champion, slice(None)):
        return dict.fromkeys(POLICIES, False)
    return better


@cache
def _specs() -> tuple[ModelSpec, DatasetSpec]:
    catalog = Catalog(config_folder())
    model = catalog.model("flight_delay")
    return model, catalog.dataset_of(model)


def _case(duel: Duel) -> Case:
    model, dataset = _specs()
    ref = DatasetRef(name="flights", uri="/", version=1, partitions=(), rows=0, digest=_DIGEST)
    candidate = Candidate(
        model=model.name,
        run_id="trial",
        artifact=ArtifactRef(uri="runs:/trial/model", digest=_DIGEST),
        dataset=ref,
        holdout=(),
        metrics={},
    )
    nothing: Any = None
    part = Part(nothing, nothing, 0)
    case = Case(
        model=model,
        dataset=dataset,
        candidate=candidate,
        split=Split(nothing, part, part),
        open=lambda: nothing,
        champion=Champion(1, lambda: nothing),
    )
    # What a case would compute from rows and models is here already.
    case.__dict__.update(
        truth=duel.truth,
        scores=duel.challenger,
        blocks=Blocks(duel.day, "day"),
    )
    return case
