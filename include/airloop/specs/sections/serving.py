"""The sections ``serving`` and ``scoring``: how a model answers requests, and whole partitions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from airloop.contracts import Contract
from airloop.fields import ColumnName, When, Whole
from airloop.plugins.rollout import RolloutField


class ObjectivesSpec(Contract):
    """What a version must keep before it is delivered, asked by one-row requests of eight callers."""

    #: The slowest percent, in milliseconds, of what the machine gives the process.
    p99_ms: Annotated[Whole, Field(ge=1)] | None = None
    #: Answers a second.
    rps: Annotated[Whole, Field(ge=1)] | None = None
    #: What the version takes in all: opened, and under that load.
    memory_mb: Annotated[Whole, Field(ge=1)] | None = None


class ReplaySpec(Contract):
    """What a candidate is asked, and held against the champion, before it is delivered: the last rows of the prediction log."""

    #: How many; 0 for none.
    rows: Whole = Field(default=2_000, ge=0, le=100_000)
    #: The share of them, and of each slice, that it may answer by more than three standard deviations apart.
    disagreement: float = Field(default=0.9, ge=0, lt=1, allow_inf_nan=False)
    #: How many times as long as the champion it may take.
    slower: float = Field(default=10.0, ge=1, allow_inf_nan=False)


class ServingSpec(Contract):
    """How the model answers."""

    max_body_bytes: Whole = Field(default=1_000_000, ge=1_000)
    max_rows: Whole = Field(default=1_000, ge=1)
    max_concurrency: Whole = Field(default=256, ge=1)
    #: What is in time: who would be answered later is refused at once. None: by what a request takes that comes alone.
    answer_within_ms: Annotated[Whole, Field(ge=1, le=10_000)] | None = None
    #: The input whose date is a row's prediction date; without one it is the day of the request.
    event_time: ColumnName | None = None
    objectives: ObjectivesSpec = ObjectivesSpec()
    #: How a version that may serve comes to serve; None: all at once.
    rollout: RolloutField | None = None
    replay: ReplaySpec = ReplaySpec()


class ScoringSpec(Contract):
    """Batch predictions."""

    #: ``dataset``: whenever a partition arrives; a cron expression; or null for on demand only.
    when: When | None = None
