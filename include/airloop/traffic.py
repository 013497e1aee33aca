"""A model's traffic: which versions answer its requests, in which roles and shares. Pure: the ledger keeps it."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from pydantic import Field

from airloop.contracts import ArtifactRef, Contract, Deployment, Name
from airloop.errors import RequestError
from airloop.figures import Figures
from airloop.vocabulary import LOOP, Role

#: Percent: what all answering shares add up to.
ALL = 100.0
#: How far from it a sum of shares in floating point may be.
_ROUNDING = 1e-6
#: The strategy of a plain promotion, and what stands in its place where a person ended one.
AT_ONCE, STOPPED = "all_at_once", "stopped"


class Share(Contract):
    """One version's part. ``weight`` is percent of the requests: answered, or of a shadow asked beside."""

    version: int = Field(ge=1)
    role: Role
    weight: float = Field(ge=0, le=ALL, allow_inf_nan=False)
    artifact: ArtifactRef


class Split(Contract):
    """How requests are to be shared out: what a delivery strategy asks for."""

    strategy: Name
    #: How far the strategy has come; it counts from nought.
    step: int = Field(default=0, ge=0)
    shares: tuple[Share, ...]
    #: What the strategy judges by, its bounds above all; kept with the row, so that a change of the spec changes no delivery
    #: that is under way.
    options: Figures = {}
    #: The input by whose value a request belongs to the one version or the other, always the same; None: by its own id.
    key: str | None = None
    #: Mixed into the hash of the key, so that two tests do not share out the same people in the same way.
    salt: str = ""

    @property
    def champion(self) -> Share:
        """The version that answers what no other does."""
        return next(share for share in self.shares if share.role is Role.CHAMPION)

    @property
    def others(self) -> tuple[Share, ...]:
        """All but the champion."""
        return tuple(share for share in self.shares if share.role is not Role.CHAMPION)

    @property
    def open(self) -> bool:
        """Whether a delivery is under way: more than the champion stands in it."""
        return bool(self.others)

    def same_delivery(self, other: Split) -> bool:
        """Whether the other is of the same strategy and about the same versions, at whatever step."""
        mine, theirs = (
            (one.strategy, {(share.version, share.role) for share in one.others})
            for one in (self, other)
        )
        return mine == theirs


class Traffic(Split):
    """A split as the ledger has it: in force while the deployment that it was made for is the last one."""

    model: Name
    #: Its place in the model's history of traffic; 0 for what follows from a deployment alone.
    number: int = Field(ge=0)
    #: The deployment whose version is the champion.
    deployment: int = Field(ge=1)
    reason: str
    at: datetime
    actor: str = LOOP


def alone(deployment: Deployment) -> Traffic:
    """What a deployment by itself says: the champion answers everything."""
    share = Share(
        version=deployment.version, role=Role.CHAMPION, weight=ALL, artifact=deployment.artifact
    )
    return Traffic(
        strategy=AT_ONCE,
        shares=(share,),
        model=deployment.model,
        number=0,
        deployment=deployment.sequence,
        reason=deployment.reason,
        at=deployment.at,
        actor=deployment.actor,
    )


def refuse_unsound(split: Split, model: str) -> None:
    """Let a split through that can be answered by.

    :raises RequestError: if a role or a version stands twice in it, nobody is champion, the weights do not add up, a
        canary has no bounds, or an A/B test no key
    """
    where = f"the traffic of {model}"
    _refuse_twice(split, where)
    roles = {share.role for share in split.shares}
    if Role.CHAMPION not in roles:
        raise RequestError(
            "no version is the champion, which answers where another cannot",
            value=", ".join(f"{share.role} {share.version}" for share in split.shares) or "nobody",
            where=where,
            remedy="name the version that serves now as champion, with what the others leave it",
        )
    given = sum(share.weight for share in split.shares if share.role is not Role.SHADOW)
    if abs(given - ALL) > _ROUNDING:
        raise RequestError(
            "the weights do not add up to 100",
            value=f"{given:g}",
            where=where,
            remedy="weights are percent of the requests, those of a shadow apart: it answers none",
        )
    if Role.CANARY in roles and not split.options:
        raise RequestError(
            "a canary without bounds would never be stopped",
            where=where,
            remedy="say what it is judged by: errors, latency, answers that are not finite, disagreement",
        )
    if Role.CHALLENGER in roles and not split.key:
        raise RequestError(
            "an A/B test has no key: one caller would meet both versions",
            where=where,
            remedy="name an input by whose value requests are shared out, or deliver by a canary",
        )


def _refuse_twice(split: Split, where: str) -> None:
    for what, counted in (
        ("role", Counter(share.role.value for share in split.shares)),
        ("version", Counter(str(share.version) for share in split.shares)),
    ):
        twice = [name for name, times in counted.items() if times > 1]
        if twice:
            raise RequestError(
                f"a {what} is given twice",
                value=", ".join(twice),
                where=where,
                remedy="each version stands in the traffic once, each role is one version's",
            )
