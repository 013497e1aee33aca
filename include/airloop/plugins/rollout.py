"""The seam of delivery strategies: how a version that may serve comes to serve."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import BeforeValidator, Field, SerializeAsAny

from airloop.contracts import Contract
from airloop.figures import Figures
from airloop.plugins.registry import ROLLOUTS
from airloop.plugins.spec import PluginSpec, picked
from airloop.vocabulary import Role


class Stage(Contract):
    """One step of a delivery: in which role the version stands, with how many percent of the requests."""

    role: Role
    weight: float = Field(gt=0, le=100, allow_inf_nan=False)
    #: The input by whose value requests are shared out; None: by their own ids.
    key: str | None = None


class Seen(Contract):
    """What the service counted of one version since the step began."""

    asked: int = 0
    answered: int = 0
    #: Requests that it could not answer, or not in time.
    errors: int = 0
    not_finite: int = 0
    p99_ms: float = 0.0
    #: Rows that both versions answered, and how many of them by more than a standard deviation of the champion's apart.
    compared: int = 0
    differing: int = 0


class Standing(Contract):
    """How a delivery stands in one of its steps. No clock and no database: the same is judged alike for ever."""

    step: int = Field(ge=0)
    #: Since the step began.
    minutes: float = Field(ge=0)
    champion: Seen
    candidate: Seen


class Move(StrEnum):
    """What follows."""

    ON = "go on"
    WAIT = "wait"
    BACK = "go back"


class Verdict(Contract):
    """What follows, why, and on which figures: all three stand in the ledger."""

    move: Move
    reason: str
    figures: Figures = {}


class RolloutSpec(PluginSpec):
    """The keys of ``serving.rollout``."""


class Rollout(Protocol):
    """Delivers in one way."""

    #: The class that checks a ``serving.rollout`` whose ``kind`` is this strategy's name.
    spec: ClassVar[type[RolloutSpec]] = RolloutSpec

    @abstractmethod
    def stages(self, spec: Any) -> Sequence[Stage]:
        """The steps before the version is the champion, in their order; none: it is at once.

        :param spec: an instance of ``spec``
        """

    @abstractmethod
    def judge(self, spec: Any, standing: Standing) -> Verdict:
        """What follows on a step: behind the last one the version is the champion. Pure: no clock, no draw, no request."""


#: ``serving.rollout`` of a model.
RolloutField = Annotated[
    SerializeAsAny[RolloutSpec], BeforeValidator(picked(ROLLOUTS, RolloutSpec))
]
