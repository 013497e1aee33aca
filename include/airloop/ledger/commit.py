"""The commit kernel: how a step publishes exactly once although its attempts may crash and overlap.

Stage in a place of its own, checksum, check the fence, publish by one create-if-absent act, verify.
Airflow runs a task at least once, and a killed supervisor leaves the old attempt running beside the
new one: idempotence alone does not help against a paused attempt that wakes up late. Hence the
fence, a token that a newer attempt invalidates (Kleppmann, "How to do distributed locking", 2016).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Protocol, TypeVar

from airloop.contracts import Fence
from airloop.ledger.faults import reach
from airloop.ledger.ledger import Ledger

log = logging.getLogger("airloop.commit")

T = TypeVar("T")


class Stage(StrEnum):
    """The points between which a step can die."""

    STAGE = "stage"
    CHECKSUM = "checksum"
    FENCE = "fence"
    PUBLISH = "publish"
    VERIFY = "verify"


class Publication(Protocol[T]):
    """One thing to be published once."""

    def published(self) -> T | None:
        """What is already public with this very content, by this or an earlier attempt, else None.

        It must not trust what it finds: a crash may have come between ``publish`` and ``verify``.
        """

    def stage(self) -> None:
        """Write everything into a place of this attempt's own, where no reader looks."""

    def checksum(self) -> str:
        """The digest of what was staged, read back from there."""

    def publish(self, fence: Fence, digest: str) -> T:
        """Make it public by one create-if-absent act, carrying the fence if the store can check it.

        :raises SupersededError: if the store saw a newer fence
        """

    def verify(self, result: T, digest: str) -> None:
        """Read back what is public.

        :raises AirloopError: if it is not what was staged
        """


def commit(ledger: Ledger, fence: Fence, publication: Publication[T]) -> T:
    """Publish, or converge to what is published already.

    :raises SupersededError: if a newer attempt began; nothing was changed then
    """
    done = publication.published()
    # Also where nothing is left to do: of two overlapping attempts only one may report success.
    ledger.check_fence(fence)
    if done is not None:
        log.info("%s is published already", fence.key)
        return done
    with _at(fence, Stage.STAGE):
        publication.stage()
    with _at(fence, Stage.CHECKSUM):
        digest = publication.checksum()
    with _at(fence, Stage.FENCE):
        ledger.check_fence(fence)
    with _at(fence, Stage.PUBLISH):
        result = publication.publish(fence, digest)
    with _at(fence, Stage.VERIFY):
        publication.verify(result, digest)
    log.info("%s published by attempt %d, %s", fence.key, fence.token, digest)
    return result


@contextmanager
def _at(fence: Fence, stage: Stage) -> Iterator[None]:
    reach(fence.key, stage, "before")
    yield
    reach(fence.key, stage, "after")
