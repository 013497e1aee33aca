"""What `airloop check` says of the ledger's history and of the lake: what the last look found, if there is a ledger."""

from __future__ import annotations

from airloop.errors import AirloopError
from airloop.settings import Settings


def history_lines(settings: Settings) -> list[str]:
    """A line each for what is not as it was written; none where nobody has looked, or no ledger answers."""
    # The ledger's library is loaded for who checks alone, and not by the command line's entry.
    from airloop.delivery.watches import WATCHES, standing
    from airloop.ledger import open_ledger
    from airloop.ledger.database import Database
    from airloop.ledger.schema import Age, state

    try:
        if state(Database(settings.ledger_url)) is not Age.CURRENT:
            return []
        ledger = open_ledger(settings)
        found = [standing(ledger, watch) for watch in WATCHES]
    except AirloopError:  # a ledger that does not answer is what `airloop status` tells
        return []
    return [line for line in found if line is not None]
