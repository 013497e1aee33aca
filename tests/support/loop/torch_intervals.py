"""The network of three quantiles of the minutes."""

from __future__ import annotations

from tests.support.loop.torch_outcomes import build, features

__all__ = ["build", "features"]
