"""Run a step from outside: write its request, follow its log, read its result or raise its error."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

from airloop.contracts import Fence
from airloop.exchange import wire
from airloop.exchange.store import StepStore
from airloop.execution import process
from airloop.settings import Settings
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
        return wire.conclude(step, self._store.read(f"{place}/result.json"), code)

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
