"""The strategies that come with Airloop, by their entry points."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from airloop.delivery.strategies.judging import BoundedSpec, judged
from airloop.issues import SpecIssue, refuse
from airloop.plugins.rollout import Move, Rollout, RolloutSpec, Stage, Standing, Verdict
from airloop.vocabulary import Role

Percent = Annotated[float, Field(gt=0, lt=100, allow_inf_nan=False)]


class AllAtOnce(Rollout):
    """The version answers everything as soon as the service has it: what is wrong then is what ``rollback`` is for."""

    spec: ClassVar[type[RolloutSpec]] = RolloutSpec

    def stages(self, spec: Any) -> Sequence[Stage]:
        """None."""
        return ()

    def judge(self, spec: Any, standing: Standing) -> Verdict:
        """There is nothing to wait for."""
        return Verdict(move=Move.ON, reason="delivered all at once")


class CanarySpec(BoundedSpec):
    """A share of the requests, then a larger one; behind the last it is all of them."""

    weights: tuple[Percent, ...] = Field(default=(1.0, 10.0, 50.0), min_length=1, max_length=20)

    @model_validator(mode="after")
    def _growing(self) -> CanarySpec:
        if any(later <= earlier for earlier, later in pairwise(self.weights)):
            what = "the weights of a canary must grow from step to step"
            refuse([SpecIssue(("weights",), what, list(self.weights), "write them in order")])
        return self


class Canary(Rollout):
    """Step by step, each judged; it goes back by itself."""

    spec: ClassVar[type[RolloutSpec]] = CanarySpec

    def stages(self, spec: Any) -> Sequence[Stage]:
        """A step for each weight."""
        return tuple(Stage(role=Role.CANARY, weight=weight) for weight in spec.weights)

    def judge(self, spec: Any, standing: Standing) -> Verdict:
        """By errors, latency, answers that are not finite, and disagreement with the champion."""
        return judged(spec, standing)


class ShadowSpec(BoundedSpec):
    """Asked beside about so many percent of the requests."""

    weight: float = Field(default=100, gt=0, le=100, allow_inf_nan=False)


class Shadow(Rollout):
    """Nobody is answered by it before it is the champion."""

    spec: ClassVar[type[RolloutSpec]] = ShadowSpec

    def stages(self, spec: Any) -> Sequence[Stage]:
        """One."""
        return (Stage(role=Role.SHADOW, weight=spec.weight),)

    def judge(self, spec: Any, standing: Standing) -> Verdict:
        """As a canary, but of what it was asked beside."""
        return judged(spec, standing)
