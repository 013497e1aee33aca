"""`airloop ledger`: what an administrator does to the ledger's tables."""

from __future__ import annotations

from airloop.console import out
from airloop.settings import load_settings


def migrate_command() -> None:
    """Bring a ledger of an older Airloop to this version, or create it; stop the stack first. Safe to repeat."""
    from airloop.ledger.migration import migrate
    from airloop.ledger.schema import HEAD, Age

    said = {
        Age.MISSING: f"the ledger was created (revision {HEAD})",
        Age.OLDER: f"the ledger was migrated to revision {HEAD}",
        Age.CURRENT: f"the ledger is of this version already (revision {HEAD})",
    }
    out.print(said[migrate(load_settings())])
