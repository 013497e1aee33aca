"""The loop's test model with segments that go wrong, each in its own way, when they are trained alone."""

from __future__ import annotations

import os
import signal
import time

import pandas as pd

from tests.support.loop import model
from tests.support.loop.model import build, build_linear, label

__all__ = ["build", "build_linear", "features", "label"]


def features(frame: pd.DataFrame) -> pd.DataFrame:
    alone = set(frame["courier"]) if len(frame) > 1 else set()
    if alone == {"raises"}:
        raise ZeroDivisionError("by design")
    if alone == {"kills"}:
        os.kill(os.getpid(), signal.SIGKILL)
    if alone == {"hangs"}:
        time.sleep(600)
    return model.features(frame)
