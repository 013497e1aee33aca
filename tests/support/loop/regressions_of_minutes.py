"""The model of deliveries, which is asked how late they come; its label is the column as it is."""

from __future__ import annotations

from tests.support.loop.intervals import build, build_boosted, build_grown
from tests.support.loop.model import features

__all__ = ["build", "build_boosted", "build_grown", "features"]
