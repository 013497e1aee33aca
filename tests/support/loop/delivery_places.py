"""The model of deliveries, which is asked where they end."""

from __future__ import annotations

from tests.support.loop.model import features
from tests.support.loop.places import build, place

__all__ = ["build", "features", "place"]
