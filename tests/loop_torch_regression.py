"""How late, in minutes: the same network for a regression."""

from __future__ import annotations

from tests.loop_model import features
from tests.loop_torch_model import build

__all__ = ["build", "features"]
