"""The boosters of two values: the minutes, and what they cost."""

from __future__ import annotations

from tests.support.loop.boosters import build, features
from tests.support.loop.pairs import cost

__all__ = ["build", "cost", "features"]
