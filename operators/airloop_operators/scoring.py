"""Scoring: batch predictions of one partition, with the version that made them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airloop.exchange import keys
from airloop.specs.requests import ScoreConf
from airloop_operators.base import StepOperator
from airloop_operators.runs import day_of


class ScoreDatasetOperator(StepOperator):
    """Predict every row of a partition with the champion and write the result to the lake.

    :param model: name of the model
    :param partition: the day, YYYY-MM-DD (templated). Without it the run says: ``conf`` with ``partition``, else its
        partition key, else the day on which its data interval begins
    """

    template_fields: Sequence[str] = ("partition",)

    def __init__(self, *, model: str, partition: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.partition = partition

    def work(self, context: Any) -> dict[str, Any]:
        """Score one partition."""
        day = self.partition or day_of(context, ScoreConf, self.model)
        return self.run_step(
            context,
            "score",
            keys.Score(self.model, day),
            {"model": self.model, "partition": day},
        )
