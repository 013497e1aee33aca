"""Airloop's own columns: a reserved prefix, so that users' names are free."""

from __future__ import annotations

from typing import Final

#: No column of a dataset begins so.
PREFIX: Final = "airloop_"
#: The key of a row's partition, where no column of the rows tells it.
PARTITION: Final = f"{PREFIX}partition"
LABEL: Final = f"{PREFIX}label"
#: What the columns of truths begin with, where a model answers several values; the value's name follows.
LABELS: Final = f"{LABEL}_"
PREDICTION: Final = f"{PREFIX}prediction"
#: What the columns of a model's answers begin with, where it answers several numbers; the number's name follows.
ANSWERS: Final = f"{PREDICTION}_"
MODEL_VERSION: Final = f"{PREFIX}model_version"
PREDICTED_AT: Final = f"{PREFIX}predicted_at"
REQUEST_ID: Final = f"{PREFIX}request_id"
REQUEST_ROW: Final = f"{PREFIX}request_row"
#: In which role of the traffic the version answered; nothing where nobody but the champion did.
ROLE: Final = f"{PREFIX}role"
#: Of a row in quarantine: when it was put there, for which expectations, and the digest of the good rows beside it.
AT: Final = f"{PREFIX}at"
REASONS: Final = f"{PREFIX}reasons"
GOOD: Final = f"{PREFIX}good"

#: As people call them.
_SHOWN: Final = {LABEL: "label", PREDICTION: "prediction"}

#: What these were called up to 0.1, in the tables of predictions and of scores.
BEFORE: Final = {
    "prediction_date": PARTITION,
    "prediction": PREDICTION,
    "model_version": MODEL_VERSION,
    "predicted_at": PREDICTED_AT,
    "request_id": REQUEST_ID,
    "request_row": REQUEST_ROW,
}
#: ... and in those of quarantined rows.
QUARANTINE_BEFORE: Final = {"_at": AT, "_reasons": REASONS, "_good": GOOD}


def is_answer(column: str) -> bool:
    """Whether a column holds answers of a model."""
    return column == PREDICTION or column.startswith(ANSWERS)


def is_label(column: str) -> bool:
    """Whether a column holds truths."""
    return column == LABEL or column.startswith(LABELS)


def shown(column: str) -> str:
    """A column as people call it."""
    if column.startswith(ANSWERS):
        return f"prediction of {column.removeprefix(ANSWERS)}"
    if column.startswith(LABELS):
        return f"label of {column.removeprefix(LABELS)}"
    return _SHOWN.get(column, column)
