"""All endpoints of the service, and how they follow the ledger."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airloop.contracts import ArtifactRef, Deployment
from airloop.serving.log.openlogs import OpenLogs
from airloop.serving.log.predictionlog import log_folder
from airloop.serving.requests import Row
from airloop.serving.responses import EndpointState
from airloop.serving.runtime.arrival import Arrival
from airloop.serving.runtime.bringing import Bringing
from airloop.serving.runtime.endpoint import Endpoint
from airloop.serving.runtime.residence import Residence
from airloop.serving.runtime.retry import Retry
from airloop.serving.runtime.version import Model
from airloop.specs.dataset import DatasetSpec
from airloop.traffic import Traffic
from airloop.vocabulary import DeploymentKind

log = logging.getLogger("airloop.serving")

#: How often the ledger is asked, should nobody have called for a refresh.
POLL_SECONDS = 10.0
#: How long an endpoint whose spec is gone still answers what it had begun.
CLOSE_SECONDS = 15.0
#: Models that predict side by side: far more than cores, since one that waits, for a lock or a disk, holds its thread.
THREADS = 32


class Endpoints:
    """The endpoints by model. Loading happens in threads beside the event loop, all models side by side.

    :param deployed: the ledger's current deployments by model: one query for all of them
    :param deployed_one: that of one model; without it all are asked for
    :param doubt: why a model's last deployment in the ledger is not the one that is followed
    :param traffic: who answers a model's requests beside the version of that deployment, as it was at the last look
    :param load: loads and verifies an artifact
    :param example: a real row of a model, or None
    :param dataset: a model's dataset as the project has it now, or None
    :param memory: what the process may take; with it versions are loaded by requests, and let go where others need the room
    :param pinned: the models whose versions are loaded at the start all the same, and stay
    :param workers: how many processes answer for these models
    """

    def __init__(
        self,
        home: Path,
        *,
        models: Callable[[], Iterable[str]],
        deployed: Callable[[], Mapping[str, Deployment]],
        deployed_one: Callable[[str], Deployment | None] | None = None,
        doubt: Callable[[str], str | None] = lambda _: None,
        traffic: Callable[[str], Traffic | None] = lambda _: None,
        load: Callable[[ArtifactRef], Model],
        example: Callable[[Model], Row | None] = lambda _: None,
        dataset: Callable[[Model], DatasetSpec | None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        memory: int | None = None,
        pinned: Collection[str] = (),
        workers: int = 1,
    ) -> None:
        self._home, self._clock, self._workers = home, clock, workers
        self._models, self._deployed, self._doubt, self._traffic = models, deployed, doubt, traffic
        self._deployed_one = deployed_one or (lambda model: deployed().get(model))
        self._endpoints: dict[str, Endpoint] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="batch")
        self._open_logs = OpenLogs()
        self._residence = Residence(self.all, memory, pinned)
        self._bringing = Bringing(Arrival(load, example, dataset), lambda: self._residence, clock)
        #: Whether the names of the models have been read once: until then none is unknown.
        self.named = False
        #: Why the endpoints cannot be followed, if so, and since when: the ledger does not answer, a folder is gone.
        self.error: str | None = None
        self._since = datetime.now(UTC)

    def get(self, model: str) -> Endpoint | None:
        """A model's endpoint, if the catalog has the model."""
        return self._endpoints.get(model)

    def all(self) -> list[Endpoint]:
        """All endpoints, by name."""
        return [self._endpoints[name] for name in sorted(self._endpoints)]

    def why_none(self) -> str:
        """Why there is no endpoint."""
        return self.error or ("the catalog has no model" if self.named else "starting")

    def states(self, model: str | None = None) -> tuple[EndpointState, ...]:
        """All endpoints, as GET /slots shows them, or that of one model; none where there is none of its name."""
        if model is None:
            return tuple(endpoint.state() for endpoint in self.all())
        endpoint = self.get(model)
        return () if endpoint is None else (endpoint.state(),)

    async def close(self) -> None:
        """Stop all endpoints."""
        for task in self._tasks:
            task.cancel()
        for endpoint in self._endpoints.values():
            await endpoint.close()
        self._bringing.close()
        self._threads.shutdown(wait=False)

    async def follow(self) -> None:
        """Poll the ledger until cancelled. A version that takes long to load keeps no other model waiting."""
        while True:
            await self._look()
            for endpoint in self.all():
                if _is_behind(endpoint) and not self._lock(endpoint).locked():
                    self._start(self._catch_up(endpoint, asked=False))
            await self._residence.keep()
            self._open_logs.rest_idle()
            await asyncio.sleep(POLL_SECONDS)

    async def refresh(self, model: str | None = None, *, asked: bool = True) -> None:
        """Let every endpoint follow the ledger, or one. Never raises: what went wrong stands in the endpoints' states.

        :param asked: by a person or a step, so that a version refused before is tried again
        """
        known = self.get(model) if model is not None else None
        if known is not None and self.error is None:
            # A thousand promotions are not a thousand looks at a thousand models.
            await self._look(known)
            await self._catch_up(known, asked=asked, woken=True)
            return
        await self._look()
        endpoints = [endpoint for endpoint in self.all() if model in (None, endpoint.model)]
        woken = model is not None
        await asyncio.gather(*(self._catch_up(one, asked=asked, woken=woken) for one in endpoints))

    async def wake(self, endpoint: Endpoint) -> None:
        """Bring back the version of an endpoint that rests; returns when one answers, or is refused.

        The version is loaded to its end, even where whoever waits for it goes away.
        """
        await asyncio.shield(self._start(self._wake(endpoint)))

    async def _look(self, one: Endpoint | None = None) -> None:
        """Learn which models there are and what the ledger wants of each; or only what it wants of one."""
        try:
            if one is None:
                self._keep(await asyncio.to_thread(lambda: frozenset(self._models())))
                wanted = await asyncio.to_thread(self._deployed)
                asked = self.all()
            else:
                last = await asyncio.to_thread(self._deployed_one, one.model)
                wanted, asked = {one.model: last} if last is not None else {}, [one]
        except (
            Exception
        ) as error:  # the ledger or the catalog: every endpoint answers with what it has
            if self.error is None:
                log.exception("the ledger cannot be followed")
                self._since = datetime.now(UTC)
            self.error = f"not followed since {self._since:%Y-%m-%d %H:%M:%S} UTC: {error}"
        else:
            self.error = None
            for endpoint in asked:
                endpoint.want(wanted.get(endpoint.model), self._traffic(endpoint.model))
                endpoint.doubt = self._doubt(endpoint.model)
        for endpoint in self._endpoints.values():
            endpoint.trouble = self.error

    def _keep(self, names: frozenset[str]) -> None:
        self.named = True
        self._residence.meet(names)
        for name in self._endpoints.keys() - names:
            log.info("%s: its spec is gone, and so is its endpoint", name)
            self._start(self._endpoints.pop(name).close(CLOSE_SECONDS))
        for name in names - self._endpoints.keys():
            folder = log_folder(self._home, name)
            self._endpoints[name] = Endpoint(
                *(name, folder, self._threads, self._open_logs),
                on_demand=self._residence.on_demand(name),
                workers=self._workers,
            )

    async def _catch_up(self, endpoint: Endpoint, *, asked: bool, woken: bool = False) -> None:
        async with self._lock(endpoint):
            wanted = _behind(endpoint)
            if wanted is not None and _waits(endpoint) and not woken:
                if asked:  # by the next request, whatever was refused before
                    endpoint.retry = Retry()
                return
            due = endpoint.error is None or asked or self._clock() >= endpoint.retry.at
            if wanted is not None and due:
                await self._bringing.champion(endpoint, wanted)
            await self._bringing.shares(endpoint, asked=asked)

    async def _wake(self, endpoint: Endpoint) -> None:
        await self._catch_up(endpoint, asked=False, woken=True)
        async with self._lock(endpoint):
            # Where the ledger names a version that is refused, the one that was let go answers on.
            rested = endpoint.rested.deployment if endpoint.rested is not None else None
            if endpoint.current is None and rested not in (None, endpoint.wanted):
                await self._bringing.champion(endpoint, rested)
                endpoint.rested = None  # it answers, or is refused as well

    def _lock(self, endpoint: Endpoint) -> asyncio.Lock:
        return self._locks.setdefault(endpoint.model, asyncio.Lock())

    def _start(self, act: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(act)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _waits(endpoint: Endpoint) -> bool:
    """Whether its version is loaded by the next request, and not before."""
    return endpoint.on_demand and endpoint.current is None


def _is_behind(endpoint: Endpoint) -> bool:
    """Whether there is something to load, and now."""
    if _behind(endpoint) is not None:
        return not _waits(endpoint)
    return endpoint.directions.behind(endpoint.current) is not None


def _behind(endpoint: Endpoint) -> Deployment | None:
    """What the ledger wants of an endpoint, where it is not what answers."""
    wanted, now = endpoint.wanted, endpoint.current
    if wanted is None or wanted.kind is DeploymentKind.RETIRE:
        return None
    return None if now is not None and now.deployment == wanted else wanted
