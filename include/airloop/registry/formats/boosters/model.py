"""A booster with the scikit-learn steps before it, as one model: kept in two files, opened from them, asked for answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from airloop.errors import ArtifactError, DataError
from airloop.plugins.trainer import Output, OutputKind
from airloop.registry.formats.boosters import cat, lgbm, xgb
from airloop.registry.formats.boosters.parts import Ints, Open, Opened
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
    output: Output
    #: Of classes those that it knows, by their places: a fit for a choice may have seen some only.
    places: Ints

    def score(self, rows: pd.DataFrame) -> Scores:
        """What the model declares."""
        matrix = columns(self.head.transform(rows) if self.head is not None else rows)
        if matrix.shape[1] != self.booster.features:
            raise DataError(
                "the booster takes other columns than it is given",
                value=matrix.shape[1],
                valid=[str(self.booster.features)],
            )
        found = np.asarray(self.booster.answer(matrix), dtype=np.float64)
        return self._declared(found.reshape(len(rows), self.booster.width))

    def _declared(self, found: Scores) -> Scores:
        if self.output.of_classes:
            # Of two classes the libraries answer one number.
            found = found if found.shape[1] > 1 else np.column_stack([1 - found, found])
            spread = np.zeros((len(found), *self.output.shape))
            spread[:, self.places] = found
            return np.asarray(self.output.decided(spread), np.float64)
        if self.output.kind is OutputKind.QUANTILES:
            # Where two cross, their answers change places (Chernozhukov et al., 2010).
            return np.sort(found, axis=1)
        return found.reshape(len(found), *self.output.shape)


def columns(given: Any) -> Any:
    """What a preprocessing made, without names: a sparse matrix by rows, or an array."""
    if hasattr(given, "tocsr"):
        return given.tocsr()
    return given.to_numpy() if hasattr(given, "to_numpy") else np.asarray(given)


def boosted(
    library: str,
    head: Any,
    content: bytes,
    where: str,
    output: Output,
    places: Ints | None = None,
) -> Boosted:
    """A model of a library.

    :param places: of the classes that its training rows were of; all by default
    :raises ArtifactError: if it is damaged, points outside itself, or answers anything else than it should
    """
    booster = FILES[library][1](content, where)
    known = np.arange(len(output.names)) if places is None else places
    if (booster.kind, booster.width) != learned(output, len(known)):
        raise ArtifactError(
            f"the {library} model answers another question",
            value=f"{booster.kind} of {booster.width}",
            where=where,
            valid=[output.told],
        )
    return Boosted(library, head, content, booster, output, known)


def learned(output: Output, count: int) -> tuple[OutputKind, int]:
    """What a library learns for an output of so many numbers, and how many it then answers: of two classes it is P(the second)."""
    if output.of_classes:
        return (OutputKind.PROBABILITY, 1) if count == 2 else (OutputKind.CLASSES, count)
    return (OutputKind.VALUES if output.apart else output.kind), count


def open_boosted(library: str, head: Any, folder: Path, output: Output) -> Boosted:
    """What a training wrote.

    :param head: the steps before it, which were opened already
    :param output: what it answers
    :raises ArtifactError: if the file is damaged, or holds what is not allowed
    """
    path = folder / FILES[library][0]
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError("the model's file is missing", where=str(path)) from error
    return boosted(library, head, content, str(path), output)
