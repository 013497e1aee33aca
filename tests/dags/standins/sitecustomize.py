"""On PYTHONPATH this folder replaces every step by a small one, and MLflow by its absence, in each process that starts."""

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
FILES = {f"airloop.steps.{step}": f"{step}_step.py" for step in STEPS}
FILES["airloop.registry.tracking"] = "no_mlflow.py"


class Standins(importlib.abc.MetaPathFinder):
    """Finds ``airloop.steps.<step>`` and what it would reach MLflow by here."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in FILES:
            return None
        return importlib.util.spec_from_file_location(fullname, FOLDER / FILES[fullname])


sys.meta_path.insert(0, Standins())
