"""A step that keeps no contract."""

from __future__ import annotations

from typing import Any


class Result:
    """Nobody reads it."""


def run(request: Any) -> Result:
    return Result()
