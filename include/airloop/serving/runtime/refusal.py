"""Which rows of a request the model refuses, for the answer to its caller."""

from __future__ import annotations

from collections.abc import Sequence

from airloop.errors import DataError
from airloop.serving.requests import MAX_ERRORS, InvalidRequestError, Row
from airloop.serving.runtime.version import NotFiniteError, Version


def explained(version: Version, rows: Sequence[Row], error: Exception) -> Exception:
    """What a request hears whose rows could not be answered: where the model refuses some of them, which."""
    if not isinstance(error, DataError | NotFiniteError):
        return error
    found = _refused(version, rows)
    if not found:
        return error
    details = [
        {"loc": ["rows", index], "msg": _sentence(one), "type": "refused"} for index, one in found
    ]
    first = details[0]
    refused = InvalidRequestError(f"rows.{found[0][0]}: {first['msg']}", details)
    refused.__cause__ = error
    return refused


def _sentence(error: Exception) -> str:
    if isinstance(error, DataError):
        return error.what.replace("these rows", "this row")
    return "the model has no finite answer for this row"


def _refused(version: Version, rows: Sequence[Row]) -> list[tuple[int, Exception]]:
    """The first of them, found by halving: a request of a thousand rows with one bad one costs ten questions."""
    found: list[tuple[int, Exception]] = []
    waiting = [(0, len(rows))]
    while waiting and len(found) < MAX_ERRORS:
        start, end = waiting.pop()
        try:
            version.answer(rows[start:end])
        except Exception as error:  # a user's features() may raise anything
            if end - start == 1:
                found.append((start, error))
            else:
                middle = (start + end) // 2
                waiting += [(middle, end), (start, middle)]
    return found
