"""The slow libraries: loaded once in the step host, and shared by every step that is forked from it."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import warnings

#: Loaded before the first fork. What is missing from an image is left to the children.
LIBRARIES = (
    "pandas",
    "pyarrow.dataset",
    "deltalake",
    "sklearn.ensemble",
    "sklearn.pipeline",
    "sklearn.compose",
    "skops.io",
    "skl2onnx",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "scipy.stats",
    "psutil",
    "sqlalchemy",
    "great_expectations",
    "mlflow",
    "onnxruntime",
    "evidently.presets",
)
#: Their telemetry stays off: it would also start threads, and a process with threads must not be forked.
QUIET = {
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "MPLBACKEND": "Agg",
    # Boosting's threads otherwise spin at their barriers: on busy cores a fit of 0.5 s was seen to take 25 s.
    "OMP_WAIT_POLICY": "PASSIVE",
}


def preload() -> None:
    """Import what the steps need and make its memory shareable between forks."""
    os.environ.update(QUIET)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in LIBRARIES:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a collection in a child would otherwise touch, and so copy, every page
