"""What the pods of one training know of each other: their number, their meeting point, and what they leave there.

Kubernetes tells each its index, the manifest the rest. The first pod does the step; the others take part in its
fits. Data goes from the first to the others by the step store: they need no lake and share no disk.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airloop.contracts import Fence
from airloop.errors import AirloopError, TransientError
from airloop.exchange.blobs import BlobStore
from airloop.exchange.store import StepStore
from airloop.exchange.wire import rebuild
from airloop.settings import Settings

#: Set by Kubernetes in each pod of an indexed Job.
INDEX = "JOB_COMPLETION_INDEX"
#: Set by the manifest; torch's own names for where the first process is found.
RANKS, ADDRESS, PORT = "AIRLOOP_RANKS", "MASTER_ADDR", "MASTER_PORT"

POLL_SECONDS = 0.5
#: How long the first pod waits for the error of one that broke off, in seconds: it is written a moment later.
LATE_ERROR_SECONDS = 15.0


@dataclass(frozen=True)
class Ranks:
    """The pods of one training, as one of them sees them.

    :param index: of this pod; 0 does the step
    :param address: name of the first pod
    """

    index: int
    count: int
    address: str
    port: int

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Ranks | None:
        """What the environment says; None in a process that trains by itself."""
        if RANKS not in environment:
            return None
        return cls(
            index=int(environment[INDEX]),
            count=int(environment[RANKS]),
            address=environment[ADDRESS],
            port=int(environment[PORT]),
        )

    def error_uri(self, result: str) -> str:
        """Where this rank leaves its error: beside the step's result."""
        return f"{result.rpartition('/')[0]}/{error_name(self.index)}.json"


@dataclass
class Group:
    """The ranks of one attempt and its folder in the step store.

    :param patience: how long the ranks wait for each other, in seconds
    """

    ranks: Ranks
    store: StepStore
    folder: str
    options: dict[str, str] = field(repr=False)
    patience: float
    _fits: int = 0

    @classmethod
    def of_training(cls, ranks: Ranks, settings: Settings, fence: Fence, minutes: int) -> Group:
        """The group that runs one attempt of a training; ``minutes`` is how long its pods may be pending."""
        options = settings.storage_options
        store = StepStore(settings.step_store_uri, options)
        return cls(ranks, store, store.place("train", fence), options, minutes * 60.0)

    @property
    def blobs(self) -> BlobStore:
        """What is too large for a note."""
        return BlobStore(self.folder, self.options)

    def next_fit(self) -> str:
        """The name under which the next fit's rows are left, the same in each rank."""
        self._fits += 1
        return f"fit-{self._fits}"

    def tell(self, what: str, payload: Mapping[str, Any]) -> None:
        """Leave a note for the others."""
        self.store.write(f"{self.folder}/{what}.json", payload)

    def told(self, what: str) -> dict[str, Any] | None:
        """Another's note, if it is there."""
        return self.store.read(f"{self.folder}/{what}.json")

    def arrive(self) -> None:
        """Say that this rank is there."""
        self.tell(_here(self.ranks.index), {})

    def gather(self) -> None:
        """Wait until all ranks are there.

        :raises TransientError: if one does not come, naming it
        """
        for index in range(1, self.ranks.count):
            self._wait_for(index)

    def failure(self) -> AirloopError | None:
        """The error that another rank left, waited for a moment; None if none did."""
        until = time.monotonic() + LATE_ERROR_SECONDS
        while time.monotonic() < until:
            if (error := error_of(self.ranks.count, self.told)) is not None:
                return error
            time.sleep(POLL_SECONDS)
        return None

    def ended(self) -> bool:
        """Whether the first rank has left the step's result."""
        return self.told("result") is not None

    def _wait_for(self, index: int) -> None:
        until = time.monotonic() + self.patience
        while self.told(_here(index)) is None:
            if time.monotonic() > until:
                raise TransientError(
                    f"pod {index} of {self.ranks.count} did not come within {self.patience / 60:g} minutes",
                    value=self.ranks.address,
                    remedy="see that the cluster has room for all of training.processes at once, "
                    "or raise resources.pending_minutes",
                )
            time.sleep(POLL_SECONDS)


def error_name(index: int) -> str:
    """The note in which a rank leaves its error."""
    return f"rank-{index}-error"


def error_of(count: int, told: Callable[[str], dict[str, Any] | None]) -> AirloopError | None:
    """The first error that a rank left, built again."""
    for index in range(1, count):
        note = told(error_name(index))
        if note is not None:
            return rebuild(note["error"])
    return None


def _here(index: int) -> str:
    return f"rank-{index}-here"
