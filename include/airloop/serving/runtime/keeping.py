"""What an endpoint keeps of its answers: the prediction log, and how much went into it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from airloop.serving.log.openlogs import OpenLogs
from airloop.serving.log.predictionlog import PredictionLog
from airloop.serving.log.records import Answered, Told, encode
from airloop.serving.runtime.questions import Answer, Question

log = logging.getLogger("airloop.serving")


class Keeping:
    """One endpoint's, whichever of its versions answers; their batches may end at the same moment."""

    def __init__(self, model: str, log_folder: Path, open_logs: OpenLogs) -> None:
        self._model = model
        self._log = PredictionLog(log_folder, open_logs=open_logs)
        self._counting = threading.Lock()
        self.requests = self.rows = self.failures = 0
        self.error: str | None = None

    def close(self) -> None:
        """Close the log's file."""
        self._log.close()

    def kept(
        self, questions: Sequence[Question], predictions: Sequence[list[Told] | Exception]
    ) -> list[Answer | Exception]:
        """Make a batch's answers durable; only then they are answers."""
        at = datetime.now(UTC)
        answered = [
            Answered(
                question.request_id,
                question.version.number,
                at,
                question.rows,
                found,
                question.version.model.spec.serving.event_time,
                question.version.model.dataset,
                question.role,
            )
            for question, found in zip(questions, predictions, strict=True)
            if not isinstance(found, Exception) and not question.abandoned
        ]
        logged = self._write(answered) if answered else True
        return [
            found
            if isinstance(found, Exception)
            else Answer(
                question.version.number,
                question.version.heard(found),
                logged,
                asked=question.asked,
                told=found,
            )
            for question, found in zip(questions, predictions, strict=True)
        ]

    def _write(self, answered: Sequence[Answered]) -> bool:
        rows = sum(len(one.rows) for one in answered)
        error: OSError | None = None
        try:
            self._log.append(encode(answered))
        except OSError as failed:
            error = failed
        with self._counting:
            self.requests += len(answered)
            self.rows += rows
            if error is not None and self.error is None:
                log.error("%s: the prediction log cannot be written: %s", self._model, error)
            self.failures += rows if error is not None else 0
            self.error = None if error is None else str(error)
        return error is None
