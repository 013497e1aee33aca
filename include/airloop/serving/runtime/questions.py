"""A batch's questions, each answered by the version that it passed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airloop.serving.log.records import Heard, Told
from airloop.serving.requests import Row
from airloop.serving.runtime.refusal import explained
from airloop.serving.runtime.version import NotFiniteError, Version


@dataclass(slots=True)
class Question:
    """One request on its way through an endpoint, bound to the version whose schema it passed."""

    version: Version
    rows: Sequence[Row]
    request_id: str
    #: In which role its version answers, as the log has it; empty where nobody but the champion does.
    role: str = ""
    #: As it came, to be read by another version's schema where this one cannot answer.
    body: bytes = b""
    #: The version that it belongs to, where another one answers in its place.
    asked: int | None = None
    #: Nobody waits for this answer any more: it is none, and not logged.
    abandoned: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """One request's predictions; ``logged`` says whether they are durably in the prediction log."""

    version: int
    predictions: Sequence[Heard]
    logged: bool
    #: What the dataset's expectations warn of in the rows, as details of an error are.
    warnings: Sequence[Mapping[str, Any]] = ()
    #: The version that was to answer and could not.
    asked: int | None = None
    #: The same as the log has it, to be held against another version's.
    told: Sequence[Told] = ()


def predicted(questions: Sequence[Question]) -> list[list[Told] | Exception]:
    """Per question its predictions: one call a version, and one each where that call fails."""
    results: list[list[Told] | Exception] = [NotFiniteError()] * len(questions)
    groups: dict[int, list[int]] = {}
    for index, question in enumerate(questions):
        groups.setdefault(id(question.version), []).append(index)
    for indices in groups.values():
        version = questions[indices[0]].version
        try:
            found = version.answer([row for index in indices for row in questions[index].rows])
        except Exception as error:  # a user's features() may raise anything
            # One request's rows must not fail its neighbours: ask for each alone.
            for index in indices:
                rows = questions[index].rows
                alone = len(indices) == 1
                results[index] = explained(version, rows, error) if alone else _alone(version, rows)
            continue
        for index in indices:
            count = len(questions[index].rows)
            results[index], found = found[:count], found[count:]
    return results


def _alone(version: Version, rows: Sequence[Row]) -> list[Told] | Exception:
    try:
        return version.answer(rows)
    except Exception as error:  # handed to the request it belongs to
        return explained(version, rows, error)
