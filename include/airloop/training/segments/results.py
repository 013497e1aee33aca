"""What became of each segment, kept one by one in the step store: a killed process loses the one it was at, no other."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from airloop.contracts import Contract
from airloop.settings import Settings
from airloop.training.segments.plan import Plan, PlannedSegment, store_of

#: A segment that was begun this often and never ended is not begun again.
MAX_STRIKES = 2
_ABOUT = "about.json"


class SegmentOutcome(Contract):
    """How a segment's training ended, and its model's answers, rows in order of their day and keys."""

    trained: bool
    reason: str
    features: dict[str, Literal["number", "string"]] = {}
    #: Labels of the judging days, and the answers of a model that has not seen them.
    judged_truth: tuple[float, ...] = ()
    judged: tuple[float, ...] = ()
    #: The answers of the stored model to the held-out rows.
    held: tuple[float, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Result:
    """An outcome with the model's files, where there is one."""

    outcome: SegmentOutcome
    files: dict[str, bytes] = field(default_factory=dict, repr=False)

    def pack(self) -> bytes:
        """As one object."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr(_ABOUT, self.outcome.model_dump_json())
            for name, content in self.files.items():
                packed.writestr(name, content)
        return buffer.getvalue()

    @classmethod
    def unpack(cls, content: bytes) -> Result:
        """What :meth:`pack` made."""
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            files = {name: packed.read(name) for name in packed.namelist()}
        return cls(SegmentOutcome.model_validate_json(files.pop(_ABOUT)), files)


class Results:
    """The results under one plan.

    :param name: the plan's
    """

    def __init__(self, settings: Settings, name: str) -> None:
        self._blobs = store_of(settings, name)

    def write(self, segment: PlannedSegment, result: Result) -> None:
        """Keep a segment's result, in one act.

        :raises StorageFullError: if there is no space left
        :raises UnreachableError: if the store does not answer
        """
        self._blobs.write(f"result-{segment.number}", result.pack())

    def read(self, segment: PlannedSegment) -> Result | None:
        """A segment's result; None where there is none yet."""
        content = self._blobs.read(f"result-{segment.number}")
        return None if content is None else Result.unpack(content)

    def strikes(self, segment: PlannedSegment) -> int:
        """How often its training was begun."""
        content = self._blobs.read(f"begun-{segment.number}")
        return 0 if content is None else int(json.loads(content))

    def begin(self, segment: PlannedSegment, time: int) -> None:
        """Note that its training begins for the so-manieth time: if nothing follows, it killed the process."""
        self._blobs.write(f"begun-{segment.number}", str(time).encode())

    def waiting(self, segments: Iterable[PlannedSegment]) -> dict[PlannedSegment, int]:
        """Those without a result, each with how often it was begun; those that never were come first."""
        found = {one: self.strikes(one) for one in segments if self.read(one) is None}
        return dict(sorted(found.items(), key=lambda entry: entry[1]))

    def remove(self, plan: Plan) -> None:
        """Take all of them away, once their models are where they stay."""
        for segment in plan.segments:
            for kind in ("result", "begun"):
                self._blobs.remove(f"{kind}-{segment.number}")
