"""The boosters of a value, of the numbers alone."""

from __future__ import annotations

from tests.support.loop.boosters_numbers import build, features

__all__ = ["build", "features"]
