"""What an endpoint knows of its model's traffic: what the ledger says, what is answered by, and why the two differ."""

from __future__ import annotations

import logging

from airloop.serving.runtime.retry import Retry
from airloop.serving.runtime.sharing import Sharing
from airloop.serving.runtime.version import Version
from airloop.traffic import Traffic

log = logging.getLogger("airloop.serving")


class Directions:
    """One endpoint's. Called on the event loop's thread."""

    def __init__(self, model: str) -> None:
        self._model = model
        #: The ledger's row, where other versions stand in it than the champion.
        self.wanted: Traffic | None = None
        #: By what requests are shared out; None: the champion answers them all.
        self.sharing: Sharing | None = None
        self.error: str | None = None
        self.retry = Retry()
        #: Versions of traffic that is over: the next to serve may be among them.
        self.warm: tuple[Version, ...] = ()

    @property
    def held(self) -> tuple[Version, ...]:
        """The versions in memory beside the champion."""
        shared = self.sharing.lanes.values() if self.sharing is not None else ()
        return (*(lane.version for lane in shared), *self.warm)

    def want(self, traffic: Traffic | None) -> None:
        """Put down what the ledger says; what it says no more is over at once."""
        wanted = traffic if traffic is not None and traffic.open else None
        if wanted != self.wanted:
            self.error, self.retry = None, Retry()
        if wanted is None:
            self.follow(None)
        self.wanted = wanted

    def behind(self, champion: Version | None) -> Traffic | None:
        """What is to be answered by and is not yet, where the champion that it names serves."""
        wanted = self.wanted
        if wanted is None or champion is None:
            return None
        if wanted.deployment != champion.deployment.sequence:
            return None
        done = self.sharing is not None and self.sharing.traffic == wanted
        return None if done else wanted

    def follow(self, sharing: Sharing | None) -> None:
        """Answer by another row, or by the champion alone."""
        before, self.sharing = self.sharing, sharing
        if before is None:
            return
        kept = {*sharing.lanes.values()} if sharing is not None else set()
        before.close(lane for lane in before.lanes.values() if lane not in kept)
        if sharing is None:
            self.warm = tuple(lane.version for lane in before.lanes.values())

    def swapped(self) -> None:
        """Another version serves: the traffic of the one before is over, and nothing is kept for it."""
        self.follow(None)
        self.warm = ()

    def refuse(self, error: BaseException, now: float) -> None:
        """Let the champion answer everything, and remember why another version does not."""
        self.follow(None)
        self.retry = self.retry.after(error, now)
        self.error = f"the champion answers everything: {error}"
        log.error("%s: %s", self._model, self.error)
