"""The boosters of several classes: early, on time or late."""

from __future__ import annotations

from tests.support.loop.boosters import build, features
from tests.support.loop.outcomes import label

__all__ = ["build", "features", "label"]
