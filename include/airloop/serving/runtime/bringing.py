"""Versions are brought into memory, each in a thread beside the event loop, and let answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from airloop.contracts import Deployment
from airloop.serving.runtime.arrival import Arrival
from airloop.serving.runtime.endpoint import Endpoint
from airloop.serving.runtime.lane import Lane
from airloop.serving.runtime.residence import Residence
from airloop.serving.runtime.sharing import Sharing, deployment_of
from airloop.serving.runtime.version import Version
from airloop.traffic import Share

#: Versions loaded side by side.
LOADS = 8


class Bringing:
    """Of all endpoints.

    :param arrival: what a version is made of
    :param residence: the bound of memory
    """

    def __init__(
        self, arrival: Arrival, residence: Callable[[], Residence], clock: Callable[[], float]
    ) -> None:
        self._arrival, self._residence, self._clock = arrival, residence, clock
        # Of their own: a store that hangs must not take the threads in which the ledger is asked.
        self._loaders = ThreadPoolExecutor(max_workers=LOADS, thread_name_prefix="load")

    def close(self) -> None:
        """Bring nothing more."""
        self._loaders.shutdown(wait=False, cancel_futures=True)

    async def champion(self, endpoint: Endpoint, wanted: Deployment) -> None:
        """Load a version, and let it answer."""
        endpoint.loading = wanted
        try:
            version = await self._loaded(endpoint, wanted)
        # A user's model may raise anything while warming, and even exit: the loop serves others, too.
        except (Exception, SystemExit) as error:
            endpoint.refuse(wanted, error, self._clock())
        else:
            self._arrival.settle()
            endpoint.swap(version)
        finally:
            endpoint.loading = None
        await self._residence().keep()

    async def shares(self, endpoint: Endpoint, *, asked: bool) -> None:
        """Load what stands in the traffic beside the champion, and share requests out when all of it is there.

        :param asked: by a person or a step, so that a version refused before is tried again
        """
        directions = endpoint.directions
        wanted = directions.behind(endpoint.current)
        if wanted is None or not (asked or self._clock() >= directions.retry.at):
            return
        try:
            lanes = [await self._lane(endpoint, share) for share in wanted.others]
            # Loading takes its time, and the ledger may say something else by now.
            if directions.behind(endpoint.current) != wanted or endpoint.current is None:
                return
            sharing = Sharing(wanted, endpoint.current, lanes, lambda: endpoint.admission.pressed)
        except (Exception, SystemExit) as error:  # as above
            directions.refuse(error, self._clock())
        else:
            directions.error = None
            directions.follow(sharing)
        await self._residence().keep()

    async def _lane(self, endpoint: Endpoint, share: Share) -> Lane:
        """The way to ask one of them: that of the row before, where it is the same version."""
        assert endpoint.current is not None  # noqa: S101 (the traffic is behind it)
        wanted = deployment_of(share, endpoint.current.deployment)
        now = endpoint.directions.sharing
        lane = None if now is None else now.lanes.get(share.version)
        if lane is not None and lane.version.deployment == wanted:
            return lane
        return endpoint.lane(await self._loaded(endpoint, wanted))

    async def _loaded(self, endpoint: Endpoint, wanted: Deployment) -> Version:
        async with self._residence().room():
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(
                self._loaders, self._arrival.version, endpoint, wanted
            )
