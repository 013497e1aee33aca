"""A model that needs version 1 of the library ``flavour``: its ``tone`` is gone in version 2."""

from __future__ import annotations

import flavour
import pandas as pd

from tests.support.loop.model import build, label
from tests.support.loop.model import features as plain

__all__ = ["build", "features", "label"]


def features(frame: pd.DataFrame) -> pd.DataFrame:
    return plain(frame).assign(taste=flavour.tone(frame["distance"]))
