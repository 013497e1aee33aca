"""Run a step from outside: write its request, follow its log, read its result or raise its error."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from airloop.accounting import limits
from airloop.contracts import Fence
from airloop.exchange import wire
from airloop.exchange.store import StepStore
from airloop.execution.executor import StepJob, executor_of
from airloop.settings import Settings
from airloop.specs.model import ModelSpec
from airloop.storage.options import with_credentials

_log = logging.getLogger("airloop.step")
#: Seconds after which a runner comes back from waiting, to be able to end.
_PAUSE = 1.0


class StepRunner:
    """Runs steps one after the other; ``stop`` may be called from a signal handler at any time.

    :param settings: where the step store is
    :param write: where each line of a step's log goes
    :param python: the interpreter whose environment the step needs; None for this one
    :param credentials: variables that only the step gets, such as ``AWS_SECRET_ACCESS_KEY``; they stand in no file
    :param model: the model whose ``compute`` says where; None for a process
    """

    def __init__(
        self,
        settings: Settings,
        write: Callable[[str], None] = _log.info,
        *,
        python: str | None = None,
        credentials: Mapping[str, str] | None = None,
        model: ModelSpec | None = None,
    ) -> None:
        self._settings, self._write, self._python, self._model = settings, write, python, model
        self._credentials = dict(credentials or {})
        self._store = StepStore(
            settings.step_store_uri, with_credentials(settings.storage_options, self._credentials)
        )
        self._executor, self._spec = executor_of(model.compute if model else "process")
        self._handle: Any = None
        #: Lines of the step's log.
        self._last: deque[str] = deque(maxlen=limits.LAST_LINES)

    def run(self, step: str, fence: Fence, request: Mapping[str, Any]) -> dict[str, Any]:
        """Run one step to its end and return its result's fields.

        :param request: the request's fields, as JSON, without the fence
        :raises PermanentError: of the step's own kind, as it raised it
        :raises TransientError: likewise; also when the step crashed or left no result
        """
        place = self._store.place(step, fence)
        job = StepJob(
            step=step,
            fence=fence,
            request_uri=f"{place}/request.json",
            result_uri=f"{place}/result.json",
            spec=self._spec,
            settings=self._settings,
            model=self._model,
            python=self._python,
            variables=self._credentials,
        )
        self._store.write(job.request_uri, {**request, "fence": fence.model_dump(mode="json")})
        before = limits.kills()
        code = self._follow(job)
        note = self._store.read(job.result_uri)
        if note is None and self._executor.local:
            killed = limits.ended(step, code, self._last, limits.kills() - before)
            if killed is not None:
                raise killed
        return wire.conclude(step, note, code)

    def on_kill(self) -> None:
        """What Airflow asks for when it kills the task."""
        self.stop()

    def stop(self) -> None:
        """Kill the step that is running, with everything it started."""
        if self._handle is not None:
            self._executor.cancel(self._handle)

    def _follow(self, job: StepJob) -> int | None:
        self._last.clear()
        self._handle = handle = self._executor.start(job)
        try:
            ended = False
            while not ended:
                ended = self._executor.poll(handle, _PAUSE)
                for line in self._executor.logs(handle):
                    self._last.append(line)
                    self._write(line)
        except BaseException:  # a time-out, a signal: whatever ends the caller ends the step
            self.stop()
            self._handle = None
            self._executor.result(handle)
            raise
        self._handle = None
        return self._executor.result(handle)
