"""How late, in minutes: the same network for a regression."""

from __future__ import annotations

from tests.support.loop.model import features
from tests.support.loop.torch_model import build

__all__ = ["build", "features"]
