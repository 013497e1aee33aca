"""Which deployment of each model the service follows: the ledger's last one, if its link proves it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Protocol

from airloop.contracts import Deployment
from airloop.ledger.serving import Serving, doubt

log = logging.getLogger("airloop.serving")


class Deployments(Protocol):
    """What is asked of the ledger."""

    def serving(
        self, model: str | None = None, known: Mapping[str, Serving] | None = None
    ) -> dict[str, Serving]:
        """Who serves, of every model or of one."""


class Following:
    """A row that a hand put into the ledger, edited or deleted, changes nothing: what was followed before is followed still.

    Each look compares the row and its link with what they were when they were proven; what has changed is proven anew.
    """

    def __init__(self) -> None:
        self._found: dict[str, Serving] = {}
        self._followed: dict[str, Deployment] = {}
        self._doubts: dict[str, str] = {}

    def all(self, ledger: Deployments) -> Mapping[str, Deployment]:
        """Of every model."""
        found = ledger.serving(None, self._found)
        for model in {*found, *self._followed}:
            self._follow(model, found.get(model))
        return dict(self._followed)

    def one(self, ledger: Deployments, model: str) -> Deployment | None:
        """Of one model."""
        self._follow(model, ledger.serving(model, self._found).get(model))
        return self._followed.get(model)

    def doubt(self, model: str) -> str | None:
        """Why a model's last row is not followed, if so."""
        return self._doubts.get(model)

    def _follow(self, model: str, found: Serving | None) -> None:
        followed = self._followed.get(model)
        known = followed.sequence if followed is not None else 0
        if found is not None:
            self._found[model] = found
            if found.proven is not None and found.proven.sequence >= known:
                self._followed[model] = found.proven
        if found is None or found.last < known:
            self._say(model, doubt(known) if known else None)  # taken out of the ledger
        else:
            self._say(model, found.doubt)

    def _say(self, model: str, says: str | None) -> None:
        """Put down that a row is not followed, and say so once; None: all are."""
        if says is None:
            self._doubts.pop(model, None)
        elif says != self._doubts.get(model):
            self._doubts[model] = says
            log.error("%s: %s", model, says)
