"""A few rows with their answers, kept beside a model and asked again at every load."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from airloop.errors import ArtifactError, DataError
from airloop.registry.artifacts import EXAMPLES
from airloop.registry.frozen import Scores
from airloop.registry.tolerance import RUNTIMES, beyond, floor_of
from airloop.specs.model import ModelSpec

#: How a model answers rows that hold its inputs.
Predict = Callable[[pd.DataFrame], Scores]


def write_examples(folder: Path, frame: pd.DataFrame, scores: Scores) -> None:
    """Keep a few rows with their answers: what :func:`check_examples` asks at every load."""
    columns = {name: [_plain(value) for value in frame[name]] for name in frame.columns}
    text = json.dumps(
        {"inputs": columns, "scores": np.asarray(scores, np.float64).tolist()}, allow_nan=False
    )
    (folder / EXAMPLES).write_text(text, encoding="utf-8")


def check_examples(predict: Predict, spec: ModelSpec, folder: Path) -> None:
    """Ask a model the rows of ``examples.json``: digests cannot see that code or a library changed.

    :param predict: how it answers
    :raises ArtifactError: if an answer differs from the one at training
    """
    path = folder / EXAMPLES
    try:
        examples = json.loads(path.read_bytes())
        frame, expected = pd.DataFrame(examples["inputs"]), np.array(examples["scores"])
        answers = predict(frame)
        if answers.shape != expected.shape:
            raise ValueError(f"answers of {answers.shape}, recorded were {expected.shape}")
    except (OSError, ValueError, KeyError, DataError) as error:
        raise ArtifactError(
            "the model's examples cannot be asked", value=str(error), where=str(path)
        ) from error
    worst = beyond(answers, expected, RUNTIMES, floor=floor_of(spec.task))
    if not len(expected) or worst > 1:
        raise ArtifactError(
            "the model no longer answers as it did at training: a library changed, or the code of a version that brings none",
            value=float(np.abs(answers - expected).max()) if len(expected) else "no examples",
            where=f"{spec.module}.features, {path}",
            remedy="restore the code this model was trained with, or train again",
        )


def _plain(value: Any) -> Any:
    if value is None or pd.isna(value):
        return None
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, str | int | float | bool) else value.isoformat()
