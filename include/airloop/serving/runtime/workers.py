"""All workers of the service as one: each is asked, and what they say is put together.

An endpoint is where its slowest worker is. So nothing is confirmed that one of them does not answer with yet, and whoever
reads ``/slots`` need not know which worker took the request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

from airloop.contracts import Contract
from airloop.serving.responses import Condition, EndpointState
from airloop.serving.runtime.endpoints import Endpoints
from airloop.serving.runtime.peers import Peers
from airloop.serving.tally import VersionState, added

#: How long a worker may take to say something.
TELL_SECONDS = 5.0
#: And to follow the ledger, asked by another, or before it takes connections: versions are loaded meanwhile.
FOLLOW_SECONDS = 60.0


class Act(StrEnum):
    """What a worker is asked."""

    READY = "ready"
    STATES = "states"
    FOLLOW = "follow"


class Question(Contract):
    """What one worker asks another. ``model``: that one alone, as a caller wrote it."""

    act: Act
    model: str | None = None


class Told(Contract):
    """What one worker says of itself."""

    #: Why it is not ready; empty where it is, or takes no connections.
    unready: str = ""
    #: Why the ledger cannot be followed.
    error: str | None = None
    slots: tuple[EndpointState, ...] = ()


class Workers:
    """The one that this process is, and those beside it.

    :param unready: why callers that this worker takes would not be answered; empty where they are
    :param peers: how the others are asked; None where there are none
    """

    def __init__(
        self, endpoints: Endpoints, unready: Callable[[], str], peers: Peers | None = None
    ) -> None:
        self._endpoints, self._unready, self._peers = endpoints, unready, peers
        #: Whether this worker takes connections.
        self._open = False
        self._first: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Before this worker takes connections. Beside others it is asked from now on, and has versions to answer with.

        The order proves a confirmation: whoever is not asked yet looks at the ledger later, and so finds what was
        confirmed.
        """
        if self._peers is not None:
            await self._peers.open(self._reply)
            self._first = asyncio.create_task(self._endpoints.refresh(asked=False))
            await asyncio.wait({self._first}, timeout=FOLLOW_SECONDS)
        self._open = True

    async def close(self) -> None:
        """It ends."""
        if self._first is not None:
            self._first.cancel()
        if self._peers is not None:
            self._peers.close()

    async def unready(self) -> str:
        """Why a caller might not be answered, whichever worker takes it.

        :raises SilentError: if a worker says nothing
        """
        told = await self._all(Question(act=Act.READY), TELL_SECONDS)
        return next((one.unready for one in told if one.unready), "")

    async def states(self, model: str | None) -> tuple[tuple[EndpointState, ...], int]:
        """All endpoints, or that of one model, and how many workers they stand for.

        :raises SilentError: if a worker says nothing
        """
        told = await self._all(Question(act=Act.STATES, model=model), TELL_SECONDS)
        return together([one.slots for one in told]), len(told)

    async def follow(self, model: str | None) -> tuple[str | None, tuple[EndpointState, ...], int]:
        """Let every worker follow the ledger now; why one cannot, if so, and all as they are then.

        :raises SilentError: if a worker says nothing: it may still answer with what was before
        """
        told = await self._all(Question(act=Act.FOLLOW, model=model), FOLLOW_SECONDS)
        error = next((one.error for one in told if one.error), None)
        return error, together([one.slots for one in told]), len(told)

    async def _all(self, question: Question, patience: float) -> Sequence[Told]:
        if self._peers is None:
            return [await self._tell(question)]
        mine, others = await asyncio.gather(
            self._tell(question),
            self._peers.ask(question.model_dump_json().encode(), patience),
        )
        return [mine, *(Told.model_validate_json(other) for other in others)]

    async def _reply(self, question: bytes) -> bytes:
        asked = Question.model_validate_json(question)
        # Who takes no connections yet keeps nobody waiting.
        starts = asked.act is Act.READY and not self._open
        told = Told() if starts else await self._tell(asked)
        return told.model_dump_json().encode()

    async def _tell(self, question: Question) -> Told:
        if question.act is Act.READY:
            return Told(unready=self._unready())
        if question.act is Act.FOLLOW:
            await self._endpoints.refresh(question.model)
        return Told(error=self._endpoints.error, slots=self._endpoints.states(question.model))


def together(of_workers: Sequence[Iterable[EndpointState]]) -> tuple[EndpointState, ...]:
    """The endpoints of all workers, by name: each as its slowest worker has it, the counters added up."""
    by_name = [{state.model: state for state in states} for states in of_workers]
    if len(by_name) == 1:
        return tuple(by_name[0].values())
    # A spec that is new is met by each worker at its own next look: till then it has the endpoint of none.
    return tuple(
        _one([states.get(model) or EndpointState(model=model) for states in by_name])
        for model in sorted(set().union(*by_name))
    )


def _one(states: Sequence[EndpointState]) -> EndpointState:
    slowest = min(states, key=_reached)
    held = set.intersection(*({state.digest, state.warm_digest} for state in states))
    limits = [state.limit for state in states if state.limit is not None]
    return slowest.model_copy(
        update={
            "digest": slowest.digest if slowest.digest in held else None,
            "warm_digest": slowest.warm_digest if slowest.warm_digest in held else None,
            "error": slowest.error or _first(state.error for state in states),
            "limit": sum(limits) if limits else None,
            "requests": sum(state.requests for state in states),
            "rows": sum(state.rows for state in states),
            "batches": sum(state.batches for state in states),
            "log_failures": sum(state.log_failures for state in states),
            "log_error": _first(state.log_error for state in states),
            "traffic": _agreed([state.traffic for state in states]),
            "versions": _versions(states),
            "fallbacks": sum(state.fallbacks for state in states),
        }
    )


def _agreed(rows: Sequence[int | None]) -> int | None:
    """The row of the traffic that all answer by, be it the one that the slowest does."""
    return None if None in rows else min(row for row in rows if row is not None)


def _versions(states: Sequence[EndpointState]) -> tuple[VersionState, ...]:
    """What is counted of each version by the workers that answer by that row."""
    row = _agreed([state.traffic for state in states])
    told = [state.versions for state in states if row is not None and state.traffic == row]
    return tuple(added(each) for each in zip(*told, strict=True)) if told else ()


def _reached(state: EndpointState) -> tuple[float, bool]:
    """How far a worker follows the ledger. One whose next request loads what the ledger names is behind nobody."""
    if state.condition is Condition.RESTING and state.sequence is None:
        return float("inf"), True
    return state.sequence or 0, state.error is None


def _first(said: Iterable[str | None]) -> str | None:
    return next((one for one in said if one), None)
