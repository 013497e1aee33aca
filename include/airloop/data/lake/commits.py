"""Commits to a table that others commit to as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from tenacity import RetryError, Retrying, retry_if_result, stop_all, wait_random_exponential
from tenacity.stop import stop_after_attempt, stop_after_delay

from airloop.data.lake.storage import storage_errors
from airloop.errors import TransientError

#: Who meets another's commit reads the log again and goes on; more than both of these, in tries and seconds, is a storm.
_ATTEMPTS: Final = 5
_PATIENCE: Final = 60.0


def repeat(
    table: DeltaTable, uri: str, wanted: Callable[[], bool], write: Callable[[], None]
) -> bool:
    """Commit to a table that others commit to as well, until it is done or no longer wanted.

    :param wanted: asked of the table as it is then, before each try; it may raise
    :param write: one commit, or an error of deltalake
    :returns: whether this call committed
    :raises TransientError: if others kept changing the table
    """

    def once() -> bool | None:
        if not wanted():
            return False
        with storage_errors(uri):
            try:
                write()
                done = True
            except CommitFailedError:
                done = None
            table.update_incremental()
        return done

    # Somebody else's commit is what made each try fail, so all together come on: a wait at random lets them pass.
    patiently = Retrying(
        retry=retry_if_result(lambda done: done is None),
        stop=stop_all(stop_after_attempt(_ATTEMPTS), stop_after_delay(_PATIENCE)),
        wait=wait_random_exponential(multiplier=0.01, max=1),
    )
    try:
        return bool(patiently(once))
    except RetryError:
        raise TransientError(
            "others kept changing the table", where=uri, remedy="run it again"
        ) from None
