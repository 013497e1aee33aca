"""Run a step from outside: write its request, follow its log, read its result or raise its error."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

from airloop import errors
from airloop.contracts import Fence
from airloop.errors import AirloopError, PermanentError, StepCrashError, TransientError
from airloop.exchange.store import StepStore
from airloop.execution import process
from airloop.settings import Settings
from airloop.steps.base import EXIT_OK, EXIT_PERMANENT, EXIT_TRANSIENT
from airloop.storage.options import with_credentials

_log = logging.getLogger("airloop.step")


class StepRunner:
    """Runs steps one after the other; ``stop`` may be called from a signal handler at any time.

    :param settings: where the step store is
    :param write: where each line of a step's log goes
    :param python: the interpreter whose environment the step needs; None for this one
    :param credentials: variables that only the step gets, such as ``AWS_SECRET_ACCESS_KEY``; they stand in no file
    """

    def __init__(
        self,
        settings: Settings,
        write: Callable[[str], None] = _log.info,
        *,
        python: str | None = None,
        credentials: Mapping[str, str] | None = None,
    ) -> None:
        self._credentials = dict(credentials or {})
        self._store = StepStore(
            settings.step_store_uri, with_credentials(settings.storage_options, self._credentials)
        )
        self._write = write
        self._python = python
        self._process: process.Process | None = None

    def run(self, step: str, fence: Fence, request: Mapping[str, Any]) -> dict[str, Any]:
        """Run one step to its end and return its result's fields.

        :param request: the request's fields, as JSON, without the fence
        :raises PermanentError: of the step's own kind, as it raised it
        :raises TransientError: likewise; also when the step crashed or left no result
        """
        place = self._store.place(step, fence)
        self._store.write(
            f"{place}/request.json", {**request, "fence": fence.model_dump(mode="json")}
        )
        code = self._follow(
            [step, "--request", f"{place}/request.json", "--result", f"{place}/result.json"]
        )
        return _outcome(step, code, self._store.read(f"{place}/result.json"))

    def on_kill(self) -> None:
        """What Airflow asks for when it kills the task."""
        self.stop()

    def stop(self) -> None:
        """Kill the step that is running, with everything it started."""
        if self._process is not None:
            process.stop(self._process)

    def _follow(self, argv: list[str]) -> int:
        reading, writing = os.pipe()
        try:
            self._process = process.start(argv, writing, self._python, self._credentials)
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        try:
            return process.follow(self._process, reading, self._write)
        except BaseException:  # a time-out, a signal: whatever ends the caller ends the step
            self.stop()
            raise
        finally:
            self._process.close()
            self._process = None
            os.close(reading)


def _outcome(step: str, code: int, answer: dict[str, Any] | None) -> dict[str, Any]:
    """The result, or the error, that belongs to an exit code."""
    if code == EXIT_OK and answer is not None and "result" in answer:
        result: dict[str, Any] = answer["result"]
        return result
    if code in (EXIT_PERMANENT, EXIT_TRANSIENT) and answer is not None and "error" in answer:
        raise rebuild(answer["error"], transient=code == EXIT_TRANSIENT)
    if code == EXIT_OK:
        raise TransientError(f"step {step} ended without a result")
    how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    crash = StepCrashError(
        f"step {step} crashed ({how})", remedy="the lines of its log above say where"
    )
    crash.code = code
    raise crash


def conclude(step: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    """The result that a step left, whatever became of the process that left it.

    :raises AirloopError: if it left an error
    """
    if "result" in answer:
        result: dict[str, Any] = answer["result"]
        return result
    if "error" not in answer:
        raise TransientError(f"step {step} left neither a result nor an error")
    kind = getattr(errors, str(answer["error"].get("type")), TransientError)
    transient = isinstance(kind, type) and issubclass(kind, TransientError)
    raise rebuild(answer["error"], transient=transient)


def rebuild(description: Mapping[str, Any], *, transient: bool) -> AirloopError:
    """The error that ``airloop.steps.__main__.describe`` described."""
    base: type[AirloopError] = TransientError if transient else PermanentError
    kind = getattr(errors, str(description.get("type")), base)
    if not (isinstance(kind, type) and issubclass(kind, base)):
        kind = base
    return kind(
        str(description.get("what")),
        value=description.get("value"),
        where=str(description.get("where", "")),
        remedy=str(description.get("remedy", "")),
        valid=tuple(description.get("valid", ())),
    )
