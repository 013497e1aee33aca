"""The toy model's code with a booster of the library that its parameters name."""

from __future__ import annotations

from typing import Any

from airloop.testing.toy import features, label
from tests.support.loop.boosters import estimator

__all__ = ["build", "features", "label"]


def build(params: dict[str, Any]) -> Any:
    return estimator(**params)
