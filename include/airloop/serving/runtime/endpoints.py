"""All slots of the service, and how they follow the ledger."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from airloop.contracts import ArtifactRef, Deployment
from airloop.errors import AirloopError
from airloop.serving.http.schema import Row
from airloop.serving.log.predictionlog import log_folder
from airloop.serving.responses import SlotState
from airloop.serving.runtime.endpoint import Slot
from airloop.serving.runtime.version import Model, Version, prepare

log = logging.getLogger("airloop.serving")

#: How often the ledger is asked, should nobody have called for a refresh.
POLL_SECONDS = 10.0


class Slots:
    """The slots by model. Loading happens in threads beside the event loop, one load at a time a model.

    :param deployed: the ledger's current deployment of a model
    :param load: loads and verifies an artifact
    :param example: a real row of a model, or None
    """

    def __init__(
        self,
        home: Path,
        *,
        models: Callable[[], Iterable[str]],
        deployed: Callable[[str], Deployment | None],
        load: Callable[[ArtifactRef], Model],
        example: Callable[[Model], Row | None] = lambda _: None,
    ) -> None:
        self._home = home
        self._models, self._deployed, self._load, self._example = models, deployed, load, example
        self._slots: dict[str, Slot] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        #: Why the slots cannot be followed, if so: the ledger does not answer, a spec is wrong.
        self.error: str | None = "starting"

    def get(self, model: str) -> Slot | None:
        """A model's slot, if the catalog has the model."""
        return self._slots.get(model)

    def all(self) -> list[Slot]:
        """All slots, by name."""
        return [self._slots[name] for name in sorted(self._slots)]

    def states(self) -> tuple[SlotState, ...]:
        """All slots, as GET /slots shows them."""
        return tuple(slot.state() for slot in self.all())

    async def close(self) -> None:
        """Stop all slots."""
        for slot in self._slots.values():
            await slot.close()

    async def follow(self) -> None:
        """Poll the ledger until cancelled."""
        while True:
            await self.refresh(asked=False)
            await asyncio.sleep(POLL_SECONDS)

    async def refresh(self, *, asked: bool = True) -> None:
        """Let every slot follow the ledger. Never raises: what went wrong stands in the slots' states.

        :param asked: by a person or a step, so that a version refused before is tried again
        """
        try:
            names = await asyncio.to_thread(lambda: tuple(self._models()))
            for name in names:
                await self._refresh(name, asked=asked)
            self.error = None
        except Exception as error:
            # The ledger or a spec: every slot keeps answering with what it has.
            self.error = str(error)
            log.exception("the ledger cannot be followed")

    async def _refresh(self, name: str, *, asked: bool) -> None:
        slot = self._slots.get(name)
        if slot is None:
            slot = self._slots[name] = Slot(name, log_folder(self._home, name))
        async with self._locks.setdefault(name, asyncio.Lock()):
            wanted = await asyncio.to_thread(self._deployed, name)
            refused = wanted == slot.wanted and slot.error is not None
            slot.wanted = wanted
            if wanted is None or (slot.current and slot.current.deployment == wanted):
                return
            if refused and not (asked or slot.may_retry):
                return
            try:
                version = await asyncio.to_thread(self._version, slot, wanted)
            except AirloopError as error:
                slot.refuse(wanted, error, may_retry=error.transient)
            except Exception as error:  # a user's model may raise anything while warming
                slot.refuse(wanted, error, may_retry=False)
            else:
                slot.swap(version)

    def _version(self, slot: Slot, wanted: Deployment) -> Version:
        """The wanted version, in memory: one of the two at hand where its bytes are the same, else loaded."""
        since = datetime.now(UTC)
        for held in (slot.current, slot.previous):
            if held is not None and held.deployment.artifact == wanted.artifact:
                return Version(wanted, held.model, held.schema, since, held.example)
        model = self._load(wanted.artifact)
        return prepare(wanted, model, since, self._example(model), slot.recent)
