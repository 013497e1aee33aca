"""The boosters of a vector."""

from __future__ import annotations

from tests.support.loop.boosters import build, features
from tests.support.loop.places import place

__all__ = ["build", "features", "place"]
