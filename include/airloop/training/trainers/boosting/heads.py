"""The steps before a booster whose rows stream: those alone that learn the same from each value once as from all rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pandas as pd

from airloop.errors import SpecError
from airloop.training.trainer import FitJob, FitStream
from airloop.training.trainers import scikit
from airloop.training.trainers.answering import where_of

#: With more values than this a column is an identifier, no category.
MAX_VALUES: Final = 100_000
#: What makes an encoder look at how often a value comes.
_COUNTS: Final = ("min_frequency", "max_categories")
_ENCODERS: Final = ("OrdinalEncoder", "OneHotEncoder")


def check(job: FitJob, head: Any) -> None:
    """Look whether the steps can be learned from a stream.

    :raises SpecError: if not, naming the first that cannot
    """
    for step in _leaves(head):
        name = type(step).__name__
        counts = [key for key in _COUNTS if getattr(step, key, None) is not None]
        if name not in _ENCODERS or counts:
            raise _refused(
                job,
                "a step before the booster learns from all rows at once, which a stream never has",
                f"{name} with {counts[0]}" if counts else name,
                f"keep {' and '.join(_ENCODERS)} in a ColumnTransformer, without {' and '.join(_COUNTS)}, "
                "as the one step before it (trees need no scaling), or leave training.stream out",
            )


def fitted(job: FitJob, stream: FitStream, head: Any) -> Any:
    """The steps, fitted on rows that hold each value of the columns that are encoded.

    :raises SpecError: if a column has too many values to be a category
    """
    if head is None:
        return None
    known = head.fit(job.features)
    names = sorted({str(name) for step in _fitted_encoders(known) for name in step})
    seen: dict[str, set[Any]] = {name: set() for name in names}
    kept = [job.features.iloc[:1]]
    for rows, _ in stream.parts():
        for name, values in seen.items():
            first = rows[~rows[name].isin(values)].drop_duplicates(name)
            if len(first):
                values.update(first[name])
                kept.append(first)
            if len(values) > MAX_VALUES:
                what = "a column has too many values to be encoded as a category"
                raise _refused(job, what, f"{name}: {len(values):,}", "leave it out of features()")
    return scikit.without_indices(head.fit(pd.concat(kept)))


def made(job: FitJob, head: Any, rows: pd.DataFrame) -> Any:
    """Rows as the booster takes them.

    :raises SpecError: if they are a sparse matrix
    """
    found = rows if head is None else head.transform(rows)
    if hasattr(found, "tocsr"):
        raise _refused(
            job,
            "a stream's rows are no sparse matrix",
            type(found).__name__,
            "set sparse_output=False on the encoder",
        )
    return found


def _leaves(head: Any) -> Iterator[Any]:
    """What does the work: within pipelines, of which one step may be some, and within a ColumnTransformer."""
    if head is None or isinstance(head, str):  # "passthrough", "drop"
        return
    if hasattr(head, "steps"):
        first, *more = (step for _, step in head.steps)
        yield from more
        yield from _leaves(first)
    elif hasattr(head, "transformers"):
        for _, step, _ in head.transformers:
            yield from _leaves(step)
        yield from _leaves(head.remainder)
    else:
        yield head


def _fitted_encoders(head: Any) -> Iterator[Any]:
    """The columns that each encoder was given."""
    if hasattr(head, "steps"):
        yield from _fitted_encoders(head.steps[0][1])
    elif hasattr(head, "transformers_"):
        for _, step, _ in head.transformers_:
            yield from _fitted_encoders(step)
    elif type(head).__name__ in _ENCODERS and hasattr(head, "feature_names_in_"):
        yield head.feature_names_in_


def _refused(job: FitJob, what: str, value: Any, remedy: str) -> SpecError:
    return SpecError(what, value=value, where=where_of(job), remedy=remedy)
