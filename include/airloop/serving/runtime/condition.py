"""What an endpoint is doing, for whoever looks at the service."""

from __future__ import annotations

from typing import Protocol

from airloop.contracts import Deployment
from airloop.serving.environments.loading import building
from airloop.serving.responses import Condition
from airloop.serving.runtime.version import Version
from airloop.vocabulary import DeploymentKind


class Following(Protocol):
    """What an endpoint knows of itself."""

    current: Version | None
    loading: Deployment | None
    wanted: Deployment | None
    looked: bool
    trouble: str | None
    doubt: str | None
    error: str | None

    @property
    def asleep(self) -> Deployment | None:
        """What the next request loads, if there is something to load."""


def condition_of(endpoint: Following) -> tuple[Condition, str]:
    """What the endpoint is doing, and that as a sentence."""
    if endpoint.current is not None:
        serving = f"version {endpoint.current.number} answers"
        also = (_building(endpoint.loading), endpoint.trouble, endpoint.doubt, endpoint.error)
        return Condition.SERVING, "; ".join(filter(None, (serving, *also)))
    if (built := _building(endpoint.loading)) is not None:
        return Condition.BUILDING, built
    if endpoint.loading is not None:
        return Condition.LOADING, f"version {endpoint.loading.version} is being loaded"
    if (asleep := endpoint.asleep) is not None:
        waits = f"version {asleep.version} is loaded by the next request"
        told = (waits, endpoint.trouble, endpoint.doubt, endpoint.error)
        return Condition.RESTING, "; ".join(filter(None, told))
    if (error := endpoint.error or endpoint.doubt) is not None:
        return Condition.REFUSED, error
    if endpoint.trouble is not None:
        return Condition.UNREACHABLE, endpoint.trouble
    if endpoint.wanted is not None and endpoint.wanted.kind is DeploymentKind.RETIRE:
        return Condition.RETIRED, f"retired: {endpoint.wanted.reason}"
    if not endpoint.looked:
        return Condition.STARTING, "starting: the ledger has not answered yet"
    return Condition.EMPTY, "nothing is deployed yet"


def _building(now: Deployment | None) -> str | None:
    """That the libraries of a version on its way are being installed, which takes its time."""
    seconds = None if now is None else building(now.artifact.digest)
    if now is None or seconds is None:
        return None
    return f"the environment of version {now.version} is being built, for {seconds:.0f} s now"
