"""Which deployment of each model the service follows: the ledger's last one, if its link proves it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from airloop.contracts import Deployment

if TYPE_CHECKING:
    from airloop.ledger.serving import Serving
    from airloop.traffic import Traffic

log = logging.getLogger("airloop.serving")

#: How long nothing but new rows is looked for; what a hand edits changes nothing that is followed, and is told so late.
WHOLE_SECONDS: Final = 60.0


class Deployments(Protocol):
    """What is asked of the ledger."""

    def serving(
        self, model: str | None = None, known: Mapping[str, Serving] | None = None
    ) -> dict[str, Serving]:
        """Who serves, of every model or of one."""

    def deployments_mark(self) -> tuple[Any, ...]:
        """What any new deployment changes."""


class Following:
    """A row that a hand put into the ledger, edited or deleted, changes nothing: what was followed before is followed still.

    A whole look compares the row and its link with what they were when they were proven; what has changed is proven anew.
    It costs as much as there are models, so it is for when the ledger has a new row, and for once a minute.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        #: The ledger's mark as it was before the last whole look, and when that was.
        self._mark: tuple[Any, ...] | None = None
        self._whole = 0.0
        self._found: dict[str, Serving] = {}
        self._followed: dict[str, Deployment] = {}
        self._doubts: dict[str, str] = {}

    def all(self, ledger: Deployments) -> Mapping[str, Deployment]:
        """Of every model."""
        # Before the rows: what is committed between the two is new at the next look.
        mark, now = ledger.deployments_mark(), self._clock()
        if mark != self._mark or now - self._whole >= WHOLE_SECONDS:
            found = ledger.serving(None, self._found)
            for model in {*found, *self._followed}:
                self._follow(model, found.get(model))
            self._mark, self._whole = mark, now
        return dict(self._followed)

    def one(self, ledger: Deployments, model: str) -> Deployment | None:
        """Of one model."""
        self._follow(model, ledger.serving(model, self._found).get(model))
        return self._followed.get(model)

    def traffic(self, model: str) -> Traffic | None:
        """Who answers a model's requests, as far as it is about the deployment that is followed."""
        found, followed = self._found.get(model), self._followed.get(model)
        shared = found.shared if found is not None else None
        if shared is None or followed is None or shared.deployment != followed.sequence:
            return None
        return shared

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
            from airloop.ledger.serving import doubt

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
