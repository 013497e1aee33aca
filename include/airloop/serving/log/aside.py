"""Segments kept aside: which of their frames are in the lake already, in a file beside each.

A damaged segment stays readable for ever; what of it was appended is named by the payloads' digests, so that reading
it again (by a better reader, or after its file was restored from a backup) appends only what was missing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from airloop.serving.log.frames import LogSegment
from airloop.serving.log.predictionlog import DAMAGED

APPENDED = ".appended"


def kept(folder: Path) -> tuple[Path, ...]:
    """The segments kept aside, oldest first."""
    return tuple(sorted(folder.glob(f"*{DAMAGED}")))


def name(payload: bytes) -> str:
    """What a frame is known by."""
    return hashlib.sha256(payload).hexdigest()


def remember(path: Path, frames: Iterable[bytes], known: Iterable[str] = ()) -> None:
    """Put down that these frames of a segment are in the lake, beside those that were."""
    names = sorted({*known, *(name(frame) for frame in frames)})
    scratch = path.with_suffix(".part")
    with scratch.open("w", encoding="ascii") as file:
        file.writelines(f"{one}\n" for one in names)
        file.flush()
        os.fsync(file.fileno())
    scratch.rename(path.with_suffix(APPENDED))


def remembered(path: Path, segment: LogSegment) -> frozenset[str]:
    """The frames of a segment that are in the lake: without a list, those that an older release read."""
    try:
        return frozenset(path.with_suffix(APPENDED).read_text(encoding="ascii").split())
    except FileNotFoundError:
        return frozenset(name(frame) for frame in segment.frames[: segment.leading])


def forget(path: Path) -> None:
    """Nothing of this segment is kept any more."""
    path.with_suffix(APPENDED).unlink(missing_ok=True)
