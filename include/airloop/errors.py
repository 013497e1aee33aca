"""The exceptions Airloop raises.

AirloopError
├── PermanentError            trying again cannot help: the task fails at once
│   ├── SpecError             a YAML file or a setting is wrong
│   ├── RequestError          a `dag_run.conf`, a form or a command line is wrong
│   ├── DataError             the data is not what its spec promises
│   │   ├── AbsentError       the source does not have what was asked for
│   │   └── DamagedError      a stored file is not the one that was written
│   ├── GateError             a gate said no, or could not tell
│   ├── ArtifactError         the bytes of a model are not the ones that were recorded
│   ├── SupersededError       a newer attempt of the same step took over
│   ├── StepEndedError        the cluster ended a step: its memory or its time was used up
│   └── MemoryLimitError      a step needs more memory than it may have
└── TransientError            trying again may help: the task retries with backoff
    ├── UnreachableError      a server or a store does not answer
    ├── StorageFullError      no space left where the step must write
    └── StepCrashError        a step's process died without a word
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable

#: ``repr`` of whatever came in: bounded in length and in depth, so that showing it cannot fail.
_repr = reprlib.Repr()
_repr.maxlevel = 4
_repr.maxstring = _repr.maxother = _repr.maxlong = 400
_repr.maxlist = _repr.maxtuple = _repr.maxdict = _repr.maxset = 20


class AirloopError(Exception):
    """Base of everything Airloop raises on purpose: takes the parts, composes the sentence.

    :param what: what failed, one sentence without the full stop
    :param value: the offending value, shown by ``repr`` and cut at 200 characters
    :param where: where it came from: file and key, URL, partition
    :param remedy: what to do next, one sentence
    :param valid: the values that would have been accepted; the nearest becomes "did you mean"
    """

    transient = False

    def __init__(
        self,
        what: str,
        *,
        value: object = None,
        where: str = "",
        remedy: str = "",
        valid: Iterable[str] = (),
    ) -> None:
        self.what, self.value, self.where, self.remedy = what, value, where, remedy
        self.valid = tuple(valid)
        super().__init__(what)

    def __str__(self) -> str:
        """One line: what, value, where, did you mean, remedy."""
        parts = [self.what]
        if self.value is not None:
            shown = _repr.repr(self.value)
            parts.append(f"got {shown if len(shown) <= 200 else shown[:200] + '…'}")
        if self.where:
            parts.append(f"in {self.where}")
        if meant := self.did_you_mean():
            parts.append(f"did you mean {meant!r}?")
        elif self.valid:
            parts.append("valid: " + ", ".join(self.valid[:20]))
        if self.remedy:
            parts.append(self.remedy)
        sentence = "; ".join(part.rstrip(".") for part in parts)
        # The name of a file may hold bytes that are no text; no page and no log could be written with them.
        return sentence.encode("utf-8", "backslashreplace").decode("utf-8")

    def did_you_mean(self) -> str | None:
        """The nearest valid value, if one is near."""
        if not self.valid:
            return None
        # Of use to who made a mistake alone; whoever parses a DAG file loads this module.
        import difflib

        near = difflib.get_close_matches(_repr.repr(self.value).strip("'\""), self.valid, n=1)
        return near[0] if near else None


class PermanentError(AirloopError):
    """Trying again cannot help."""


class SpecError(PermanentError):
    """A YAML file or a setting is wrong."""


class RequestError(PermanentError):
    """A `dag_run.conf`, a form or a command line is wrong."""


class DataError(PermanentError):
    """The data is not what its spec promises."""


class AbsentError(DataError):
    """The source does not have what was asked for, neither damaged nor out of reach."""


class DamagedError(DataError):
    """A stored file is not the one that was written: other bytes, cut short, or gone."""


class GateError(PermanentError):
    """A gate said no, or could not tell."""


class ArtifactError(PermanentError):
    """The bytes of a model are not the ones that were recorded."""


class SupersededError(PermanentError):
    """A newer attempt of the same step took over; this one changed nothing."""


class StepEndedError(PermanentError):
    """The cluster ended a step: its memory or its time was used up."""


class MemoryLimitError(PermanentError):
    """A step needs more memory than it may have: at the same size it would meet the same end."""


class TransientError(AirloopError):
    """Trying again may help."""

    transient = True


class UnreachableError(TransientError):
    """A server or a store does not answer."""


class StorageFullError(TransientError):
    """No space left where the step must write."""


class StepCrashError(TransientError):
    """A step's process died without a word."""

    #: How, as ``subprocess`` has it: negative for a signal.
    code = 0
