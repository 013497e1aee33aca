"""The model of deliveries, which is asked how late they come and what they cost."""

from __future__ import annotations

from tests.support.loop.model import features
from tests.support.loop.pairs import build, cost

__all__ = ["build", "cost", "features"]
