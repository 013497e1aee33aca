"""The ledger: what was attempted, why anything was trained, what was decided, who serves."""

from __future__ import annotations

from airloop.ledger.ledger import Ledger
from airloop.settings import Settings

__all__ = ["Ledger", "open_ledger"]


def open_ledger(settings: Settings) -> Ledger:
    """The ledger of these settings; creates it where there is none.

    :raises SpecError: if the URL is wrong, a newer Airloop wrote this ledger, or an older one and nobody migrated it
    :raises UnreachableError: if the database does not answer
    """
    return Ledger(settings.ledger_url)
