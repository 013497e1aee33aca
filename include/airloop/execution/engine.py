"""What a step hands the parts of its work to: this process, or a cluster that its executor has named.

A part is what can be computed by itself: a batch of rows, a partition. What comes of the parts is put together by the step, in
their order, so that the answer is the same wherever they were computed.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from pkgutil import resolve_name
from typing import Any, Protocol, TypeVar

from airloop.contracts import Contract
from airloop.errors import SpecError

#: The variable by which an executor names the engine of a step that it starts: :class:`Named` as JSON.
VARIABLE = "AIRLOOP_ENGINE"

Shared = TypeVar("Shared")
Part = TypeVar("Part")
Found = TypeVar("Found")


class Engine(Protocol):
    """Computes the parts of a step's work. It is made with its keys, and starts nothing before it is given work."""

    @abstractmethod
    def spread(
        self, work: Callable[[Shared, Part], Found], shared: Shared, parts: Iterable[Part]
    ) -> Iterator[Found]:
        """What the work makes of each part, in the order of the parts, of which only a few are held at a time.

        :param work: a function of a module; it may be called more than once for a part, and changes nothing
        :param shared: what every part needs; like the parts it can be pickled, and holds no credentials
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of whatever was started."""


class InProcess(Engine):
    """The step's own process, one part after the other."""

    def spread(
        self, work: Callable[[Shared, Part], Found], shared: Shared, parts: Iterable[Part]
    ) -> Iterator[Found]:
        """The work, called here."""
        return (work(shared, part) for part in parts)

    def close(self) -> None:
        """Nothing was started."""


class Named(Contract):
    """An engine, as an executor names it to the step."""

    #: ``package.module:Class``
    engine: str
    keys: dict[str, Any] = {}


#: What computes where no executor has named anything else.
IN_PROCESS = InProcess()


def variables(engine: str, keys: Mapping[str, Any]) -> dict[str, str]:
    """What an executor adds to a step's variables, so that it computes by an engine."""
    return {VARIABLE: Named(engine=engine, keys=dict(keys)).model_dump_json()}


def engine_of(environ: Mapping[str, str] = os.environ) -> Engine:
    """The engine that this step was started with.

    :raises SpecError: if it cannot be loaded
    """
    told = environ.get(VARIABLE)
    if not told:
        return IN_PROCESS
    try:
        named = Named.model_validate_json(told)
        engine: Engine = resolve_name(named.engine)(**named.keys)
    except (ValueError, ImportError, AttributeError, TypeError) as error:
        raise SpecError(
            f"the step's engine cannot be loaded: {type(error).__name__}: {str(error).splitlines()[0]}",
            value=told,
            where=f"the variable {VARIABLE}",
            remedy="the executor that `compute` names sets it; install what it needs where the step runs",
        ) from error
    return engine
