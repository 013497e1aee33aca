"""When a shadow candidate is fitted: pure, as all of the policy is."""

from __future__ import annotations

from collections.abc import Iterable

from airloop.calendar import cadence_of, moment_of
from airloop.specs.sections.watching import RetrainingSpec


def due(spec: RetrainingSpec, partition: str, earlier: Iterable[str], *, drifted: bool) -> bool:
    """Whether a night wants one: it has drifted, or none was fitted within the cadence of shadows, before or after it.

    :param earlier: the nights that had one against the same champion
    """
    every, night = spec.shadows_of(cadence_of(partition)), moment_of(partition)
    return drifted or all(abs(moment_of(one) - night) >= every for one in earlier)
