"""How a step ended, as it travels: the note that it leaves, its exit code, and the one reader of both.

A step ends with ``{"result": …}`` or ``{"error": …}`` in the step store. Whether trying again can help stands in the
note itself, so that a process and a pod mean the same by it; the exit code speaks only where there is no note.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any

from airloop.errors import AirloopError, PermanentError, StepCrashError, TransientError

#: Longest excerpt of a value that is no plain JSON, in characters.
_EXCERPT = 500
_IN_THE_LOG = "the lines of its log above say where"


class Exit(IntEnum):
    """How ``python -m airloop.steps`` ends; any other code is a crash, which may be tried again."""

    OK = 0
    PERMANENT = 3
    TRANSIENT = 4


def exit_of(error: AirloopError) -> Exit:
    """The code that a step ends with after this error."""
    return Exit.TRANSIENT if error.transient else Exit.PERMANENT


def describe(error: AirloopError) -> dict[str, Any]:
    """An error as plain JSON, from which ``rebuild`` makes it again."""
    plain = isinstance(error.value, str | int | float | bool | None)
    return {
        "type": type(error).__name__,
        "permanent": not error.transient,
        "what": error.what,
        "value": error.value if plain else repr(error.value)[:_EXCERPT],
        "where": error.where,
        "remedy": error.remedy,
        "valid": list(error.valid),
    }


def rebuild(note: Mapping[str, Any]) -> AirloopError:
    """The error that ``describe`` described.

    Where its kind is unknown here, or does not agree with the note, it is a plain permanent or transient error, as the
    note says. An older note does not say: it counts by its kind.
    """
    kind = next((one for one in _kinds() if one.__name__ == note.get("type")), None)
    permanent = note.get("permanent")
    if permanent is None:
        permanent = kind is not None and not kind.transient
    base: type[AirloopError] = PermanentError if permanent else TransientError
    kind = kind if kind is not None and issubclass(kind, base) else base
    error = kind.__new__(kind)
    # A kind may take other arguments than these; what it says, all of them hold alike.
    AirloopError.__init__(
        error,
        str(note.get("what")),
        value=note.get("value"),
        where=str(note.get("where", "")),
        remedy=str(note.get("remedy", "")),
        valid=tuple(note.get("valid", ())),
    )
    return error


def conclude(step: str, note: Mapping[str, Any] | None, code: int | None = None) -> dict[str, Any]:
    """The result that a step left, whatever became of what ran it.

    :param note: what it left; None where it left nothing
    :param code: its exit code, where that is known; negative for a signal
    :raises AirloopError: the one that it left, or the one that its exit code means
    """
    if note is not None and "result" in note:
        result: dict[str, Any] = note["result"]
        return result
    if note is not None and "error" in note:
        raise rebuild(note["error"])
    raise unexplained(step, code)


def unexplained(step: str, code: int | None) -> AirloopError:
    """The error that belongs to a step without a note."""
    if code == Exit.PERMANENT:
        return PermanentError(f"step {step} could not begin", remedy=_IN_THE_LOG)
    if code is None:
        return TransientError(f"step {step} left neither a result nor an error")
    if code == Exit.OK:
        return TransientError(f"step {step} ended without a result")
    how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    crash = StepCrashError(f"step {step} crashed ({how})", remedy=_IN_THE_LOG)
    crash.code = code
    return crash


def _kinds() -> Iterator[type[AirloopError]]:
    """Every kind of error that this process knows, the general ones first."""
    waiting = deque([AirloopError])
    while waiting:
        kind = waiting.popleft()
        yield kind
        waiting.extend(kind.__subclasses__())
