"""On PYTHONPATH this folder replaces every step by a small one, in each process that starts."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

STEPS = (
    *("ingest", "study", "trials", "divide", "segments", "train", "evaluate", "register"),
    *("verify", "promote", "monitor", "score"),
)
FOLDER = Path(__file__).parent


class Standins(importlib.abc.MetaPathFinder):
    """Finds ``airloop.steps.<step>`` here."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        parent, _, name = fullname.rpartition(".")
        if parent != "airloop.steps" or name not in STEPS:
            return None
        return importlib.util.spec_from_file_location(fullname, FOLDER / f"{name}_step.py")


sys.meta_path.insert(0, Standins())
