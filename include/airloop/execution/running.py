"""A step that runs as a process: its log as lines, its end, its exit code."""

from __future__ import annotations

import os
import selectors
from collections.abc import Sequence

from airloop.execution import process
from airloop.execution.executor import StepJob


class Running:
    """A started process and the pipe of its log."""

    def __init__(self, job: StepJob) -> None:
        self._log, writing = os.pipe()
        try:
            self._process = process.start(job.arguments, writing, job.python, job.variables)
        except BaseException:
            os.close(self._log)
            raise
        finally:
            os.close(writing)
        os.set_blocking(self._log, False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._log, selectors.EVENT_READ)
        self._selector.register(self._process.fileno(), selectors.EVENT_READ)
        self._lines: list[str] = []
        self._pending = b""
        self._open = True

    def wait(self, seconds: float) -> bool:
        """Whether it has ended; sooner if it writes."""
        ended = any(key.fd != self._log for key, _ in self._selector.select(seconds))
        self._read()
        if ended and self._pending:
            self._lines.append(self._pending.decode("utf-8", "replace"))
            self._pending = b""
        return ended

    def lines(self) -> Sequence[str]:
        """What it has written since last asked."""
        lines, self._lines = self._lines, []
        return lines

    def stop(self) -> None:
        """End its group."""
        if self._open:
            process.stop(self._process)

    def close(self) -> int:
        """Its exit code; waits for it."""
        try:
            return self._process.exit_code()
        finally:
            self._open = False
            self._selector.close()
            self._process.close()
            os.close(self._log)

    def _read(self) -> None:
        data = process.drain(self._log)
        if data == b"" and self._log in self._selector.get_map():
            # Closed by the child, which may go on: nothing more to read.
            self._selector.unregister(self._log)
        *lines, self._pending = (self._pending + (data or b"")).split(b"\n")
        self._lines += [line.decode("utf-8", "replace") for line in lines]
