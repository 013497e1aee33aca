"""One training: what it is asked for, and where it may work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from airloop.contracts import Fence
from airloop.errors import RequestError
from airloop.exchange.blobs import BlobStore
from airloop.exchange.group import Group, Ranks
from airloop.exchange.store import StepStore
from airloop.ledger import Ledger
from airloop.settings import Settings
from airloop.specs.dataset import DatasetSpec
from airloop.specs.model import ModelSpec
from airloop.training.segments import plan as plans
from airloop.training.segments.plan import Plan
from airloop.training.segments.results import Results
from airloop.training.trainer import FitPlace

CHECKPOINT = "checkpoint"
#: Of the judged fit, of the refit, and of the other seed's.
CHECKPOINTS = (CHECKPOINT, f"{CHECKPOINT}-refit", f"{CHECKPOINT}-sibling")


@dataclass(frozen=True)
class TrainingRun:
    """What every stage of a training knows.

    :param until: the last day of the window; None for the newest in the lake
    :param as_of: the moment as of which the lake is read; None for now
    :param params: laid over the spec's, for this run only
    :param study: the search for parameters that ran before
    :param plan: the plan under which the model's segments were trained before
    """

    settings: Settings
    ledger: Ledger
    fence: Fence
    workdir: Path
    model: ModelSpec
    dataset: DatasetSpec
    until: str | None = None
    as_of: datetime | None = None
    params: Mapping[str, Any] | None = None
    study: str | None = None
    plan: str | None = None
    trigger_id: str | None = None
    reason: str = ""

    @cached_property
    def segments(self) -> tuple[Plan, Results] | None:
        """What was planned and done for the model's segments; None where it has none.

        :raises RequestError: if it has, and this training was not told of a plan
        """
        if self.model.segments is None:
            return None
        if self.plan is None:
            raise RequestError(
                "the model has segments, but nobody has trained them for this run",
                value=self.model.name,
                remedy=f"start the DAG train_{self.model.name}",
            )
        return plans.read(self.settings, self.plan), Results(self.settings, self.plan)

    def place(self, digest: str) -> FitPlace:
        """Where the fit may write.

        Checkpoints lie under the step's key, not its attempt: the next attempt goes on where this one was killed.

        :param digest: of the rows
        """
        ranks = Ranks.of()
        return FitPlace(
            workdir=self.workdir,
            store_uri=self._store_uri,
            store_options=self.settings.storage_options,
            store_name=CHECKPOINT,
            data_digest=digest,
            group=self.group(ranks) if ranks else None,
        )

    def group(self, ranks: Ranks) -> Group:
        """The pods that train together."""
        pending = self.model.resources.pending_minutes
        return Group.of_training(ranks, self.settings, self.fence, pending)

    def clear(self) -> None:
        """Take away what a later attempt would go on from: the candidate is recorded."""
        store = BlobStore(self._store_uri, self.settings.storage_options)
        for name in CHECKPOINTS:
            store.remove(name)
        if self.segments is not None:
            plan, results = self.segments
            results.remove(plan)

    @property
    def _store_uri(self) -> str:
        store = StepStore(self.settings.step_store_uri, self.settings.storage_options)
        return store.place("train", self.fence).rpartition("/")[0]
