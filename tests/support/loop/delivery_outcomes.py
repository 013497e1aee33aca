"""The model of deliveries, which is asked whether they come early, on time or late."""

from __future__ import annotations

from tests.support.loop.model import build, build_linear, features
from tests.support.loop.outcomes import label

__all__ = ["build", "build_linear", "features", "label"]
