"""The model of deliveries, which is asked whether they come early, on time or late."""

from __future__ import annotations

from typing import Any

from tests.support.loop.model import build, build_linear, features
from tests.support.loop.outcomes import label

__all__ = ["build", "build_linear", "build_margins", "build_number", "features", "label"]


def build_margins(params: dict[str, Any]) -> Any:
    """A pipeline whose last step knows no probabilities."""
    from sklearn.svm import LinearSVC

    return build_linear({}).set_params(model=LinearSVC(**params))


def build_number(params: dict[str, Any]) -> Any:
    """No classifier."""
    from sklearn.linear_model import Ridge

    return build_linear({}).set_params(model=Ridge(**params))
