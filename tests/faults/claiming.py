"""A run that claims a reason to train and begins its training: what is killed in the middle of either."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from airloop.ledger import Ledger, attempts, claims, triggers
from airloop.ledger.claims import Claim, Request
from airloop.ledger.faults import reach
from airloop.ledger.tables import triggers as table
from airloop.vocabulary import Cause

MODEL = "m"


@dataclass(frozen=True)
class ClaimScenario:
    """One run's claim, by a waiting reason or by one of its own."""

    folder: Path
    own: bool = False
    run: str = "train_m/1"

    @property
    def key(self) -> str:
        return f"claim:{MODEL}"

    @property
    def ledger(self) -> Ledger:
        return Ledger(f"sqlite:///{self.folder / 'ledger.db'}")

    def attempt(self, sabotage: str = "") -> None:
        ledger = self.ledger
        with ledger.transaction() as connection:
            if self.own:
                request = Request(Cause.ON_DEMAND, "asked", "{}")
                found = claims.claim_own(connection, MODEL, self.run, request)
                assert not isinstance(found, Claim)
            else:
                claimed = claims.claim(connection, MODEL, self.run)
                assert claimed is not None
                found = claimed
        reach(self.key, "commit", "after")
        fence = ledger.begin_attempt(f"train:{MODEL}:{found.id}")
        with ledger.transaction() as connection:
            attempts.check(connection, fence, lock=True)
            reach(self.key, "begin", "before")
            triggers.start(connection, found.id)
            reach(self.key, "begin", "after")

    def visible(self) -> Hashable:
        """Each reason's state and who has it."""
        with self.ledger.transaction() as connection:
            query = select(table.c.state, table.c.claimed_by).order_by(table.c.number)
            found = tuple(tuple(row) for row in connection.execute(query))
        for state, run in found:
            assert (state == "waiting") == (run is None), found
        return found or None

    def commits(self) -> int:
        return len(self.ledger.claims(MODEL))
