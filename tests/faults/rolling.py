"""A canary on its way from one percent to all, beside a service that counts only good answers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from airloop.delivery.progress import Delivering
from airloop.delivery.strategies.builtin import CanarySpec
from airloop.ledger.faults import VARIABLE
from airloop.serving.responses import EndpointState
from airloop.serving.tally import VersionState
from tests.faults.delivering import MODEL, FileService, PromoteScenario

GOOD = {"asked": 1_000, "answered": 1_000, "compared": 1_000}


@dataclass(frozen=True)
class CountingService(FileService):
    """Follows the traffic, too."""

    def refresh(self, model: str) -> EndpointState:
        state, traffic = super().refresh(model), self.ledger.traffic(model)
        assert traffic is not None
        if not traffic.open:
            return state
        shares = tuple(
            VersionState(version=one.version, role=one.role, weight=one.weight, **GOOD)
            for one in traffic.shares
        )
        return state.model_copy(update={"traffic": traffic.number, "versions": shares})


@dataclass(frozen=True)
class RollingScenario(PromoteScenario):
    """Each attempt looks until the version serves; a planted fault is there from so many rows of the traffic on."""

    from_row: int = 0

    def copy(self, folder: Path) -> RollingScenario:
        there = super().copy(folder)
        return RollingScenario(there.folder, there.number, there.champion)

    def attempt(self, sabotage: str = "") -> None:
        fault, ledger = os.environ.pop(VARIABLE, ""), self.ledger()
        served = False
        while not served:
            if len(ledger.traffics(MODEL)) >= self.from_row:
                os.environ[VARIABLE] = fault
            delivering = Delivering(
                ledger,
                self.settings(),
                ledger.begin_attempt(self.key),
                self.version(),
                "gates passed",
                rollout=CanarySpec(kind="canary"),
                service=CountingService(self.folder, ledger),
            )
            served = delivering.look().deployment is not None

    def visible(self) -> tuple[int | None, ...]:
        """Who serves, and with how many percent the version stands in the traffic. The two never contradict each other."""
        super().visible()
        # Both at one moment.
        found = self.ledger().serving(MODEL)[MODEL]
        champion, traffic = found.champion, found.traffic
        assert champion is not None
        assert traffic is not None
        assert traffic.champion.version == champion.version
        return champion.version, int(sum(share.weight for share in traffic.others))
