"""How a delivery stands, from what the service counted, and the champion's part in the traffic."""

from __future__ import annotations

from datetime import datetime

from airloop.contracts import Deployment
from airloop.plugins.rollout import Seen, Standing
from airloop.serving.responses import EndpointState
from airloop.serving.tally import VersionState
from airloop.traffic import ALL, Share, Traffic
from airloop.vocabulary import Role


def champion_of(current: Deployment, weight: float = ALL) -> Share:
    """The part of the version that serves."""
    return Share(
        version=current.version, role=Role.CHAMPION, weight=weight, artifact=current.artifact
    )


def standing_of(traffic: Traffic, state: EndpointState, version: int, now: datetime) -> Standing:
    """A step of the traffic, whose row the service answers by."""
    by_version = {one.version: _seen(one) for one in state.versions}
    return Standing(
        step=traffic.step,
        minutes=max(0.0, (now - traffic.at).total_seconds() / 60),
        champion=by_version[traffic.champion.version],
        candidate=by_version[version],
    )


def _seen(state: VersionState) -> Seen:
    return Seen(
        asked=state.asked - (state.shed if state.role is Role.SHADOW else 0),
        answered=state.answered,
        errors=state.errors,
        not_finite=state.not_finite,
        p99_ms=state.percentile_ms(99),
        compared=state.compared,
        differing=state.differing,
    )
