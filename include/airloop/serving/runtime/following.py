"""Which deployment of each model the service follows: the ledger's last one, if its link proves it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Protocol

from airloop.contracts import Deployment

log = logging.getLogger("airloop.serving")

_SAYS = (
    "deployment {} is not followed: it was put into the ledger past Airloop, or edited;"
    " `airloop audit verify` tells what was done"
)


class Deployments(Protocol):
    """What is asked of the ledger."""

    def last_sequences(self, model: str | None = None) -> dict[str, int]:
        """The number of every model's last row, or of one's."""

    def proven_deployments(self, models: Iterable[str]) -> dict[str, Deployment]:
        """Models' last rows that are what their links say."""


class Following:
    """A row that a hand put into the ledger, or edited, changes nothing: what was followed before is followed still.

    Each row is proven once, when it is first seen.
    """

    def __init__(self) -> None:
        self._followed: dict[str, Deployment] = {}
        self._doubts: dict[str, str] = {}

    def all(self, ledger: Deployments) -> Mapping[str, Deployment]:
        """Of every model."""
        return self._proven(ledger, ledger.last_sequences())

    def one(self, ledger: Deployments, model: str) -> Deployment | None:
        """Of one model."""
        return self._proven(ledger, ledger.last_sequences(model)).get(model)

    def doubt(self, model: str) -> str | None:
        """Why a model's last row is not followed, if so."""
        return self._doubts.get(model)

    def _proven(self, ledger: Deployments, last: Mapping[str, int]) -> dict[str, Deployment]:
        known = {model: one.sequence for model, one in self._followed.items()}
        new = [model for model, sequence in last.items() if sequence != known.get(model)]
        proven = ledger.proven_deployments(new) if new else {}
        for model in new:
            found = proven.get(model)
            if found is not None and found.sequence >= known.get(model, 0):
                self._followed[model] = found
        for model, sequence in last.items():
            followed = self._followed.get(model)
            self._say(model, sequence if followed is None or followed.sequence < sequence else 0)
        return {model: self._followed[model] for model in last if model in self._followed}

    def _say(self, model: str, forged: int) -> None:
        """Put down that a row is not followed, and say so once; 0: all are."""
        if not forged:
            self._doubts.pop(model, None)
        elif (says := _SAYS.format(forged)) != self._doubts.get(model):
            self._doubts[model] = says
            log.error("%s: %s", model, says)
