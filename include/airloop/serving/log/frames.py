"""The bytes of a prediction log's segment: how a frame is written, and how frames are found again.

A segment is a magic line, then frames of ``marker | length | crc of the payload | crc of this header | payload``.
The header's own checksum makes a flipped bit in a length visible, and the marker, which no JSON can hold, leads from
damage to the next frame. So damage costs the frame it hit and nothing after it; where only the header is hit, not
even that one, since the payload's checksum still fits the bytes up to the next frame.

Only a dead writer's last frame can be *torn*: the file ends before the frame does, and what was acknowledged is as
long as its header says. Everything else that cannot be read is *damage*, and is never dropped.

Segments of the first format (``length | crc | payload``) are read by the same rules: their frames begin with
``[{"id":``, which leads to the next one.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

MAGIC: Final = b"AIRLOOP-PREDICTIONS 2\n"
#: What segments began with before frames had a checked header.
FIRST_MAGIC: Final = b"AIRLOOP-PREDICTIONS 1\n"
#: No frame is longer: a length beyond this is damage, whatever its checksum says.
MAX_FRAME_BYTES: Final = 1 << 28

#: Never part of UTF-8, so never part of a payload.
_MARKER = b"\xff\xfeAL"
_FIELDS = struct.Struct("<4sII")
_HEADER = struct.Struct("<4sIII")
_FIRST_HEADER = struct.Struct("<II")
_FIRST_PAYLOAD = b'[{"id":'


@dataclass(frozen=True)
class LogSegment:
    """What a segment held. ``torn``: it ends in a half-written, never acknowledged frame.

    ``damaged``: some of its bytes are not what was written; ``unread`` of them belong to frames that are lost.
    ``leading``: frames before the first damage, which is as far as older releases read.
    """

    frames: tuple[bytes, ...]
    torn: bool = False
    damaged: bool = False
    unread: int = 0
    leading: int = 0


def pack(payload: bytes) -> bytes:
    """A frame.

    :raises ValueError: if the payload is longer than any reader would believe
    """
    if len(payload) > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {len(payload)} bytes; at most {MAX_FRAME_BYTES}")
    fields = _FIELDS.pack(_MARKER, len(payload), zlib.crc32(payload))
    return fields + struct.pack("<I", zlib.crc32(fields)) + payload


def read_segment(path: Path) -> LogSegment:
    """All frames of a segment that are as they were written, in that order."""
    data = path.read_bytes()
    if data.startswith(MAGIC):
        return _read(data, _Checked(), len(MAGIC))
    if data.startswith(FIRST_MAGIC):
        return _read(data, _First(), len(FIRST_MAGIC))
    if MAGIC.startswith(data) or FIRST_MAGIC.startswith(data):
        # A process killed between creating the file and writing its first line leaves a prefix of it.
        return LogSegment((), torn=True)
    for form in (_Checked(), _First()):
        if (start := form.next_frame(data, 0)) is not None:
            return replace(_read(data, form, start), damaged=True, leading=0)
    return LogSegment((), damaged=True, unread=len(data))


class _Form(Protocol):
    """A format of frames."""

    def payload(self, data: bytes, offset: int) -> bytes | None:
        """The payload of a sound frame at this offset."""

    def next_frame(self, data: bytes, offset: int) -> int | None:
        """Where the next frame begins, from this offset on."""

    def salvage(self, data: bytes, offset: int, end: int) -> bytes | None:
        """The payload between a broken header and the next frame, if its own checksum still fits."""

    def is_torn(self, data: bytes, offset: int) -> bool:
        """Whether the file provably ends before the frame at this offset does."""

    header: int


def _read(data: bytes, form: _Form, offset: int) -> LogSegment:
    frames: list[bytes] = []
    torn, unread = False, 0
    leading: int | None = None
    while offset < len(data):
        if (payload := form.payload(data, offset)) is not None:
            frames.append(payload)
            offset += form.header + len(payload)
            continue
        following = form.next_frame(data, offset + 1)
        end = len(data) if following is None else following
        payload = form.salvage(data, offset, end)
        if torn := payload is None and following is None and form.is_torn(data, offset):
            break
        leading = len(frames) if leading is None else leading
        unread += end - offset if payload is None else 0
        frames += [] if payload is None else [payload]
        offset = end
    sound = leading is None
    return LogSegment(
        tuple(frames), torn, not sound, unread, len(frames) if sound else leading or 0
    )


class _Checked:
    """Frames whose header has a marker and a checksum of its own."""

    header = _HEADER.size

    def payload(self, data: bytes, offset: int) -> bytes | None:
        length, checksum = self._announced(data, offset) or (-1, 0)
        return _checked(data, offset + self.header, length, checksum)

    def next_frame(self, data: bytes, offset: int) -> int | None:
        while (offset := data.find(_MARKER, offset)) >= 0:
            if self._announced(data, offset):
                return offset
            offset += 1
        return None

    def salvage(self, data: bytes, offset: int, end: int) -> bytes | None:
        start = offset + self.header
        if start > end:
            return None
        checksum = _HEADER.unpack_from(data, offset)[2]
        return _checked(data, start, end - start, checksum)

    def is_torn(self, data: bytes, offset: int) -> bool:
        left = data[offset : offset + self.header]
        if len(left) < self.header:
            return left[: len(_MARKER)] == _MARKER[: len(left)]
        announced = self._announced(data, offset)
        return announced is not None and offset + self.header + announced[0] > len(data)

    def _announced(self, data: bytes, offset: int) -> tuple[int, int] | None:
        if len(data) < offset + self.header:
            return None
        marker, length, checksum, own = _HEADER.unpack_from(data, offset)
        sound = zlib.crc32(data[offset : offset + _FIELDS.size]) == own
        return (length, checksum) if sound and marker == _MARKER and _bounded(length) else None


class _First:
    """Frames of the first format: a length that nothing vouches for."""

    header = _FIRST_HEADER.size

    def payload(self, data: bytes, offset: int) -> bytes | None:
        length, checksum = self._announced(data, offset)
        return _checked(data, offset + self.header, length, checksum) if length else None

    def next_frame(self, data: bytes, offset: int) -> int | None:
        at = offset + self.header
        while (at := data.find(_FIRST_PAYLOAD, at)) >= 0:
            if self.payload(data, at - self.header) is not None:
                return at - self.header
            at += 1
        return None

    def salvage(self, data: bytes, offset: int, end: int) -> bytes | None:
        start = offset + self.header
        if start >= end:
            return None
        return _checked(data, start, end - start, self._announced(data, offset)[1])

    def is_torn(self, data: bytes, offset: int) -> bool:
        start = offset + self.header
        if start > len(data):
            return True
        length = self._announced(data, offset)[0]
        return _bounded(length) and start + length > len(data)

    def _announced(self, data: bytes, offset: int) -> tuple[int, int]:
        if len(data) < offset + self.header:
            return (0, 0)
        length, checksum = _FIRST_HEADER.unpack_from(data, offset)
        return length, checksum


def _bounded(length: int) -> bool:
    return length <= MAX_FRAME_BYTES


def _checked(data: bytes, start: int, length: int, checksum: int) -> bytes | None:
    if length < 0 or not _bounded(length) or start + length > len(data):
        return None
    payload = data[start : start + length]
    return payload if zlib.crc32(payload) == checksum else None
