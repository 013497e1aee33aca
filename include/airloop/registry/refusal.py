"""Rows that an estimator refuses: an unseen category, a missing value it was not taught."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from airloop.errors import AirloopError, DataError

if TYPE_CHECKING:
    from airloop.registry.frozen import Scores

Rows = TypeVar("Rows")


def refusing(scorer: Callable[[Rows], Scores]) -> Callable[[Rows], Scores]:
    """The scorer, whose own exceptions say that it refuses these rows.

    It answered its recorded examples when it was opened, so what it stumbles over is in the rows. The exception's text
    may quote them, and is left out.
    """

    def score(rows: Rows) -> Scores:
        try:
            return scorer(rows)
        except (AirloopError, OSError, MemoryError):
            raise
        except Exception as error:
            raise DataError(f"the model refuses these rows: {type(error).__name__}") from error

    return score
