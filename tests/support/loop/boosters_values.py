"""The boosters of a value: the minutes themselves."""

from __future__ import annotations

from tests.support.loop.boosters import build, features

__all__ = ["build", "features"]
