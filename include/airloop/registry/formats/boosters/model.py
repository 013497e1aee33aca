"""A booster with the scikit-learn steps before it, as one model: kept in two files, opened from them, asked for answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from airloop.errors import ArtifactError, DataError
from airloop.registry.formats.boosters import cat, lgbm, xgb
from airloop.registry.formats.boosters.parts import Open, Opened
from airloop.registry.frozen import Scores

#: The file of each library's boosters, and what opens it.
FILES: Final[dict[str, tuple[str, Open]]] = {
    xgb.LIBRARY: ("model.ubj", xgb.open_model),
    lgbm.LIBRARY: ("model.txt", lgbm.open_model),
    cat.LIBRARY: ("model.cbm", cat.open_model),
}


@dataclass(frozen=True)
class Boosted:
    """A model that answers. It was opened from its own bytes, after a training too: what is judged is what is served."""

    library: str
    #: The steps of scikit-learn before the booster; None without any.
    head: Any
    content: bytes
    booster: Opened

    def score(self, rows: pd.DataFrame) -> Scores:
        """P(positive), or the value."""
        matrix = columns(self.head.transform(rows) if self.head is not None else rows)
        if matrix.shape[1] != self.booster.features:
            raise DataError(
                "the booster takes other columns than it is given",
                value=matrix.shape[1],
                valid=[str(self.booster.features)],
            )
        return np.asarray(self.booster.answer(matrix), dtype=np.float64).reshape(len(rows))


def columns(given: Any) -> Any:
    """What a preprocessing made, without names: a sparse matrix by rows, or an array."""
    if hasattr(given, "tocsr"):
        return given.tocsr()
    return given.to_numpy() if hasattr(given, "to_numpy") else np.asarray(given)


def boosted(library: str, head: Any, content: bytes, where: str, task: str) -> Boosted:
    """A model of a library.

    :raises ArtifactError: if it is damaged, points outside itself, or answers another question than its task
    """
    booster = FILES[library][1](content, where)
    if booster.probability is not (task == "classification"):
        raise ArtifactError(
            f"the {library} model answers another question", value=task, where=where
        )
    return Boosted(library, head, content, booster)


def open_boosted(library: str, head: Any, folder: Path, task: str) -> Boosted:
    """What a training wrote.

    :param head: the steps before it, which were opened already
    :raises ArtifactError: if the file is damaged, or holds what is not allowed
    """
    path = folder / FILES[library][0]
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError("the model's file is missing", where=str(path)) from error
    return boosted(library, head, content, str(path), task)
