"""Rows that an estimator refuses: an unseen category, a missing value it was not taught."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airloop.errors import AirloopError, DataError

if TYPE_CHECKING:
    import pandas as pd

    from airloop.registry.frozen import Scorer, Scores


def refusing(scorer: Scorer) -> Scorer:
    """The scorer, whose own exceptions say that it refuses these rows.

    It answered its recorded examples when it was opened, so what it stumbles over is in the rows. The exception's text
    may quote them, and is left out.
    """

    def score(rows: pd.DataFrame) -> Scores:
        try:
            return scorer(rows)
        except (AirloopError, OSError, MemoryError):
            raise
        except Exception as error:
            raise DataError(f"the model refuses these rows: {type(error).__name__}") from error

    return score
